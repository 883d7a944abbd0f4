"""Evaluations beside the published figures, and TTD beside static fusion."""

import re
from collections.abc import Mapping, Sequence

from ttd_jax.errors import counted
from ttd_jax.metrics import METRICS
from ttd_jax.metrics.intervals import estimates, paired_differences
from ttd_jax.networks import lookup
from ttd_jax.report import published
from ttd_jax.report.csv_text import csv_text
from ttd_jax.report.latex import PACKAGES, booktabs, escape
from ttd_jax.report.markdown import table
from ttd_jax.report.scores import arrow, heading, interval, shown

_ARROWS = {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}
_FIELDS = ("mean", "std", "low", "high", "count", "published", "difference", "agrees")
_PUBLISHED = ("published", "difference", "rounds to it")
STATIC = "static"


def compare(
    model: str,
    dataset: str,
    records: Sequence[Mapping],
    names: Sequence[str],
    *,
    prepared: bool,
) -> dict:
    """Everything the tables say of one model on one data set.

    Args:
      model: name in the registry.
      dataset: name of the data set, as in `published.BENCHMARKS`.
      records: see `evaluate_dataset`.
      names: the metrics.
      prepared: whether the images are those of the prepared data set, not of other folders. The
        published figures are of all of them, and have no place beside figures of others.

    Returns:
      JSON-able: `count`; `strategies`: strategy -> metric -> its `estimate` with
      `published`, `difference` and `agrees` where the paper has a figure of the same images;
      `published_note`, what a reader should know of the published figures, or why they are left
      out; `gains`: strategy -> metric -> paired difference from static fusion, with the share of
      images improved.
    """
    records = sorted(records, key=lambda record: record["image"])
    columns = {
        strategy: {n: [record["scores"][strategy][n] for record in records] for n in names}
        for strategy in records[0]["scores"]
    }
    table, note = _published(model, dataset, len(records), prepared=prepared)
    return {
        "model": model,
        "dataset": dataset,
        "count": len(records),
        "published_note": note,
        "strategies": {
            strategy: {
                name: {**cell, **_beside(table, model, strategy, name, cell["mean"])}
                for name, cell in column.items()
            }
            for strategy, column in estimates(columns).items()
        },
        "gains": paired_differences(columns, STATIC) if STATIC in columns else {},
    }


def _published(model, dataset, count, *, prepared):
    """The table of published figures, None where there is none of these images; and a note."""
    table, method = published.BENCHMARKS.get(dataset), lookup(model).published_as
    if table is None or method not in table.rows:
        return None, ""
    if not prepared:
        return None, f"published figures are left out: they are of the prepared {dataset}"
    if count != table.images:
        figures = f"they are of {counted(table.images, 'image')}, these of {count}"
        return None, f"published figures are left out: {figures}"
    return table, f"published: {table.note}" if table.note else ""


def _beside(table, model, strategy, metric, mean):
    method = lookup(model).published_as
    figure = table and table.figure(method + ("" if strategy == STATIC else "+TTD"), metric)
    if figure is None:
        return {}
    return {
        "published": figure,
        "difference": mean - figure,
        "agrees": published.agrees(mean, figure),
    }


def markdown(comparisons: Sequence[Mapping], protocol: str) -> str:
    """One section for each model and data set."""
    lines = [f"# Evaluation, protocol `{protocol}`", ""]
    for c in comparisons:
        lines += [f"## {c['model']} on {c['dataset']}, {counted(c['count'], 'image')}", ""]
        lines += [
            f"{_sentence(note)}\n"
            for note in (lookup(c["model"]).note, c["published_note"])
            if note
        ]
        strategies = c["strategies"]
        shown = [s for s in strategies if has_published(c, s)]
        head = ["metric"]
        for strategy in strategies:
            head += [strategy, *(_PUBLISHED if strategy in shown else ())]
        rows = [
            [
                heading(name),
                *(cell for s, of in strategies.items() for cell in _cells(of[name], s in shown)),
            ]
            for name in next(iter(strategies.values()))
        ]
        lines += [*table(head, rows), ""]
        for strategy, gains in c["gains"].items():
            lines += [*_gains(strategy, gains, c["count"]), ""]
    return "\n".join(lines)


def has_published(comparison: Mapping, strategy: str) -> bool:
    """Whether the paper has any figure beside those of a strategy."""
    return any("published" in cell for cell in comparison["strategies"][strategy].values())


def _gains(strategy, gains, count):
    if count == 1:
        rows = [(heading(name), shown(gain["mean"], "+.4f")) for name, gain in gains.items()]
        return [f"{strategy} - {STATIC}:", "", *table(["metric", "gain"], rows)]
    rows = [
        (heading(n), shown(g["mean"], "+.4f"), interval(g, "+"), shown(g["improved"], ".0%"))
        for n, g in gains.items()
    ]
    title = f"{strategy} - {STATIC}, paired, 95 % bootstrap interval:"
    return [title, "", *table(["metric", "gain", "interval", "images improved"], rows)]


def latex(comparisons: Sequence[Mapping], protocol: str) -> str:
    """A booktabs table for each data set, models and strategies as rows; best figures bold."""
    blocks = [f"% protocol: {protocol}\n{PACKAGES}"]
    for dataset in dict.fromkeys(c["dataset"] for c in comparisons):
        own = [c for c in comparisons if c["dataset"] == dataset]
        rows = [
            (
                f"{c['model']}, {strategy}",
                {n: shown(cell["mean"], ".2f") for n, cell in column.items()},
            )
            for c in own
            for strategy, column in c["strategies"].items()
        ]
        names = list(rows[0][1])
        best = {name: _best(name, [cells[name] for _, cells in rows]) for name in names}
        images = counted(own[0]["count"], "image")
        blocks.append(
            booktabs(
                f"Means over the {images} of {dataset}, protocol {protocol}; the best are bold.",
                ["Method", *(f"{n} {_ARROWS[arrow(n)]}" for n in names)],
                [
                    [escape(label), *(_bold_if(cells[n], best[n]) for n in names)]
                    for label, cells in rows
                ],
                label="tab:" + re.sub(r"\W+", "-", dataset, flags=re.ASCII),
            )
        )
    return "\n\n".join(blocks) + "\n"


def csv_table(comparisons: Sequence[Mapping], protocol: str) -> str:
    """A row for each model, data set, strategy and metric."""
    rows = (
        [c["model"], c["dataset"], strategy, name, protocol, *(cell.get(f, "") for f in _FIELDS)]
        for c in comparisons
        for strategy, column in c["strategies"].items()
        for name, cell in column.items()
    )
    return csv_text([["model", "dataset", "strategy", "metric", "protocol", *_FIELDS], *rows])


def _best(metric, figures):
    """The best of the figures as they are printed; None where none is a number."""
    numbers = [figure for figure in figures if figure != shown(None)]
    return (max if METRICS[metric].better == "up" else min)(numbers, key=float, default=None)


def _bold_if(figure, best):
    return rf"\textbf{{{figure}}}" if figure == best else figure


def _cells(cell, beside):
    cells = [f"{shown(cell['mean'])} {interval(cell)}".rstrip()]
    if not beside:
        return cells
    if "published" not in cell:
        return [*cells, "", "", ""]
    agrees = "yes" if cell["agrees"] else "no"
    return [*cells, f"{cell['published']:.2f}", shown(cell["difference"], "+.4f"), agrees]


def _sentence(note):
    return f"{note[0].upper()}{note[1:]}."
