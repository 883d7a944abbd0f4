"""The results of a study as Markdown."""

import math

from ttd_jax import metrics
from ttd_jax.analysis.pictures import sheet_name
from ttd_jax.analysis.studies import STATIC
from ttd_jax.report.markdown import table
from ttd_jax.report.scores import heading, shown

_NEAREST = 12
_HEADS = {
    "covariance": "Σ Cov(RD, l)",
    "bound_constant": "constant",
    "bound_covariance": "Σ Cov(RD, abs)",
    "bound": "bound",
    "risk": "risk",
    "holds": "holds",
    "risk_scaled": "risk, M RD",
    "holds_scaled": "holds, M RD",
    "temperature": "t",
    "rd_region": "mean RD of the region",
    "rd_source": "mean RD of the source",
}


def markdown(result: dict) -> str:
    """A section for each data set; see `summary.summarize` for the content."""
    lines = [f"# {result['study']}: {result['model']}", "", result["question"], ""]
    rows = result["rows"]
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        own = [row for row in rows if row["dataset"] == dataset]
        lines += [f"## {dataset}, {max(row['count'] for row in own)} images", ""]
        lines += [*_table(own), ""]
        if "helps" in result:
            lines += [f"![The first of them, by each network]({sheet_name(dataset)})", ""]
    if any("published" in row for row in rows):
        lines += ["*Published* figures are of IFCNN on LLVIP, other images than these.", ""]
    if result.get("nearest"):
        lines += _nearest(result["nearest"])
    if result.get("helps"):
        lines += _helps(result["helps"])
    return "\n".join(lines) + "\n"


def _table(rows):
    passes = len({row["pass"] for row in rows}) > 1
    measures = [m for m in (*metrics.METRICS, *_HEADS) if m in rows[0]["measures"]]
    extra = [name for name in _EXTRA if any(name in row for row in rows)]
    head = ["weighing", *map(_head, measures), *(_EXTRA[name][0] for name in extra)]
    lines = []
    static = {row["pass"]: row["measures"] for row in rows if row["weighing"] == STATIC.name}
    for row in rows:
        base = static.get(row["pass"], {})
        cells = [_EXTRA[name][1](row) if name in row else "" for name in extra]
        cells = [row["weighing"], *(_cell(m, row, base) for m in measures), *cells]
        lines.append([row["pass"], *cells])
        if "published" in row:
            figures = row["published"]
            cells = [f"*{figures[m]:.2f}*" if m in figures else "" for m in measures]
            lines.append(["", f"*published, {row['weighing']}*", *cells, *[""] * len(extra)])
    return table(["pass", *head], lines) if passes else table(head, [line[1:] for line in lines])


def _head(measure):
    return heading(measure) if measure in metrics.METRICS else _HEADS[measure]


def _cell(measure, row, base):
    if measure not in row["measures"]:
        return ""
    mean = row["measures"][measure]["mean"]
    if measure not in metrics.METRICS:
        return f"{mean:.0%}" if measure.startswith("holds") else f"{mean:.4g}"
    before = base.get(measure, {}).get("mean")
    if not before or row["weighing"] == STATIC.name or not math.isfinite(mean / before):
        return shown(mean, ".3f")
    return f"{mean:.3f} ({100 * (mean / before - 1):+.1f} %)"


def _below_static(row):
    share = row["lower_bound_than_static"]
    return "" if row["weighing"] == STATIC.name else f"{share:.0%}"


def _channels(row):
    channels = row["channels"]
    counts = sorted(((channels.count(c), c) for c in set(channels)), reverse=True)
    return ", ".join(f"{c} ({n}x)" for n, c in counts[:4]) + (", ..." if len(counts) > 4 else "")


# What only some studies have of a row -> its column, and the cell.
_EXTRA = {
    "negative_covariance": ("Σ Cov < 0", lambda row: f"{row['negative_covariance']:.0%}"),
    "lower_bound_than_static": ("bound < static's", _below_static),
    "channels": ("channels chosen", _channels),
}


def _helps(entries):
    names = list(dict.fromkeys(name for entry in entries for name in entry["changes"]))
    rows = [
        (
            entry["network"],
            entry["weighing"],
            *(f"{entry['changes'][n]:+z.1f}" if n in entry["changes"] else "" for n in names),
            "no change" if entry["better"] is None else f"{entry['better']:.0%}",
        )
        for entry in entries
    ]
    return [
        "## Does it help?",
        "",
        "Change from static fusion in per cent, mean over the data sets; and the share of all "
        "changes of 0.1 % or more, one a metric and a data set, that are for the better.",
        "",
        *table(["network", "loss map", *map(heading, names), "better"], rows),
        "",
    ]


def _nearest(entries):
    sets = list(entries[0]["datasets"])
    rows = [
        (
            entry["weighing"],
            f"{entry['distance']:.2f}",
            f"{entry['signs']:.0%}",
            *(f"{d['distance']:.2f} ({d['signs']:.0%})" for d in map(entry["datasets"].get, sets)),
        )
        for entry in entries[:_NEAREST]
    ]
    best = entries[0]
    gains = {name: best["datasets"][name]["gains"] for name in sets}
    columns = list(dict.fromkeys(m for measured in gains.values() for m in measured))
    return [
        "## Distance from the published gains",
        "",
        "Root mean square difference of the logarithms of TTD / static, in per cent, over the "
        "metrics of a table; in brackets the share of the published directions that are met.",
        "",
        *table(["weighing", "distance", "signs met", *sets], rows),
        "",
        f"Gains in per cent of the nearest, {best['weighing']}, measured / published:",
        "",
        *table(
            ["data set", *columns],
            [
                [name, *(_gain(measured.get(m)) for m in columns)]
                for name, measured in gains.items()
            ],
        ),
        "",
    ]


def _gain(pair):
    return f"{pair[0]:+.1f} / {pair[1]:+.1f}" if pair else ""
