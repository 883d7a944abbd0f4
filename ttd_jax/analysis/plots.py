"""The plot of a study, with Matplotlib."""

import math
import pathlib

from matplotlib.figure import Figure

from ttd_jax import metrics
from ttd_jax.analysis.studies import STATIC, Study
from ttd_jax.files import write_whole
from ttd_jax.report import plot
from ttd_jax.report.palette import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY_BLUE, VERMILION
from ttd_jax.report.scores import heading

_COLORS = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY_BLUE, BLACK)
_MARKERS = "osD^vPX"
_COLUMNS = 3  # of panels


def draw(result: dict, study: Study, path: pathlib.Path) -> None:
    """Draws a summary (see `analysis.summary`) as a PNG file, written whole."""
    with plot.styled():
        kind = _across if study.across else _curves if study.axis else _changes
        png = plot.as_png(kind(result, study))
    write_whole(path, png)


def _across(result, study):
    """A panel a measure: change from static fusion of every network, mean of the data sets.

    Small points are the data sets.
    """
    static = {(r["pass"], r["dataset"]): r for r in result["rows"] if r["weighing"] == STATIC.name}
    rows = [row for row in result["rows"] if row["weighing"] != STATIC.name]
    networks = list(dict.fromkeys(row["pass"] for row in rows))
    weighings = list(dict.fromkeys(row["weighing"] for row in rows))
    names = [name for name in study.panels if rows and name in rows[0]["measures"]]
    size = (max(6.0, 1.5 + 1.1 * len(networks)), 1.2 + 2.4 * max(1, len(names)))
    figure, grid = _panels(result["study"], max(1, len(names)), 1, size)
    panels = grid.ravel()
    for panel, name in zip(panels, names, strict=False):
        panel.axhline(0, color="0.6", linewidth=0.8)
        for index, weighing in enumerate(weighings):
            style = {"color": _COLORS[index % 7], "marker": _MARKERS[index % 7], "ls": "none"}
            shift = 0.7 * ((index + 0.5) / len(weighings) - 0.5)
            means = []
            for at, network in enumerate(networks):
                own = [r for r in rows if (r["pass"], r["weighing"]) == (network, weighing)]
                changes = [
                    _percent(_means(r), _means(static[network, r["dataset"]]), [name])[0]
                    for r in own
                ]
                panel.plot([at + shift] * len(own), changes, markersize=2, alpha=0.5, **style)
                means.append(sum(changes) / len(changes) if changes else math.nan)
            at = [place + shift for place in range(len(networks))]
            panel.plot(at, means, label=weighing, markersize=6, **style)
        panel.set_xticks(range(len(networks)), networks, rotation=20, ha="right")
        panel.set_ylabel(f"{heading(name)}, %")
        _limit(panel)
    panels[0].set_title("change from static fusion; small: each data set", fontsize=9)
    _legend(figure, panels, rows)
    return figure


def _changes(result, study):
    """A panel a data set: change of every metric from static fusion, in per cent."""
    del study
    rows = [row for row in result["rows"] if row["weighing"] != STATIC.name]
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    weighings = list(dict.fromkeys(row["weighing"] for row in rows))
    names = [m for m in metrics.METRICS if m in rows[0]["measures"]]
    static = {r["dataset"]: r for r in result["rows"] if r["weighing"] == STATIC.name}
    columns = min(len(datasets), _COLUMNS)
    lines = math.ceil(len(datasets) / columns)
    size = (max(6.0, 4.4 * columns), 1.0 + 2.9 * lines)
    figure, grid = _panels(_title(result), lines, columns, size)
    panels = grid.ravel()[: len(datasets)]
    for empty in grid.ravel()[len(datasets) :]:
        empty.remove()
    for panel, dataset in zip(panels, datasets, strict=True):
        base = static[dataset]
        panel.axhline(0, color="0.6", linewidth=0.8)
        for index, weighing in enumerate(weighings):
            row = next(r for r in rows if (r["dataset"], r["weighing"]) == (dataset, weighing))
            style = {"color": _COLORS[index % 7], "marker": _MARKERS[index % 7], "ls": "none"}
            at = [x + 0.6 * ((index + 0.5) / len(weighings) - 0.5) for x in range(len(names))]
            panel.plot(
                at,
                _percent(_means(row), _means(base), names),
                label=weighing,
                markersize=4,
                **style,
            )
            if "published" in row and "published" in base:
                theirs = _percent(row["published"], base["published"], names)
                panel.plot(at, theirs, markersize=8, fillstyle="none", **style)
        panel.set_xticks(range(len(names)), [heading(n) for n in names])
        panel.set_title(f"{dataset}, {base['count']} images")
        panel.set_ylabel("change from static, %")
        _limit(panel)
    _legend(figure, panels, rows)
    return figure


def _curves(result, study):
    """A row a data set and a panel a measure, or a pass: curves over the study's axis."""
    rows = result["rows"]
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    columns = [one.name for one in study.passes] if study.probing else list(study.panels)
    curves = list(dict.fromkeys(row["curve"] for row in rows))
    size = (3.1 * len(columns), 0.6 + 2.5 * len(datasets))
    figure, grid = _panels(_title(result), len(datasets), len(columns), size)
    levels = sorted({row["coordinate"] for row in rows if row["coordinate"] is not None})
    logarithmic = levels[0] > 0 and levels[-1] / levels[0] > 20
    for line, dataset in zip(grid, datasets, strict=True):
        for panel, column in zip(line, columns, strict=True):
            measure = study.panels[0] if study.probing else column
            own = [
                row
                for row in rows
                if row["dataset"] == dataset and (not study.probing or row["pass"] == column)
            ]
            for index, curve in enumerate(curves):
                _curve(panel, [r for r in own if r["curve"] == curve], measure, index, curve)
            panel.set_title(f"{dataset}: {column}", fontsize=9)
            panel.set_xlabel(study.axis)
            if logarithmic:
                panel.set_xscale("log")
    line[0].set_ylabel("mean RD of the region" if study.probing else "")
    _legend(figure, grid.ravel(), rows)
    return figure


def _curve(panel, rows, measure, index, label):
    if not rows or measure not in rows[0]["measures"]:
        return
    color, values = _COLORS[index % 7], [row["measures"][measure]["mean"] for row in rows]
    if rows[0]["coordinate"] is None:  # static fusion has no temperature
        panel.axhline(values[0], color="0.4", linestyle="--", linewidth=1, label=label)
        return
    dashes = "-" if index < len(_COLORS) else "--"
    at = [row["coordinate"] for row in rows]
    panel.plot(at, values, dashes, color=color, marker="o", markersize=3, label=label)
    theirs = [
        (row["coordinate"], row["published"][measure])
        for row in rows
        if measure in row.get("published", {})
    ]
    if theirs:
        panel.plot(*zip(*theirs, strict=True), ":", color=color, marker="o", fillstyle="none")


def _title(result):
    return f"{result['study']}: {result['model']}"


def _panels(title, lines, columns, size):
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, fontsize=11)
    return figure, figure.subplots(lines, columns, squeeze=False)


def _percent(figures, base, names):
    return [
        100 * (figures[n] / base[n] - 1) if n in figures and base.get(n) else math.nan
        for n in names
    ]


def _means(row):
    return {name: measure["mean"] for name, measure in row["measures"].items()}


def _limit(panel):
    """Keeps one far-off point from flattening the others."""
    low, high = panel.get_ylim()
    panel.set_ylim(max(low, -60), min(high, 60))


def _legend(figure, panels, rows):
    found = {}
    for panel in panels:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    published = any("published" in row for row in rows)
    title = "hollow: published, IFCNN on LLVIP" if published else None
    entries = found.values(), found.keys()
    plot.legend_below(figure, *entries, columns=min(len(found), 6), title=title)
