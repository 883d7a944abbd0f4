"""The results of a study as Markdown."""

from ttd_jax import metrics
from ttd_jax.analysis.studies import STATIC
from ttd_jax.report.markdown import table
from ttd_jax.report.scores import heading

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
    if any("published" in row for row in rows):
        lines += ["*Published* figures are of IFCNN on LLVIP, other images than these.", ""]
    if result.get("nearest"):
        lines += _nearest(result["nearest"])
    return "\n".join(lines) + "\n"


def _table(rows):
    passes = len({row["pass"] for row in rows}) > 1
    measures = [m for m in (*metrics.METRICS, *_HEADS) if m in rows[0]["measures"]]
    signs = any("negative_covariance" in row for row in rows)
    bounds = any("lower_bound_than_static" in row for row in rows)
    channels = any("channels" in row for row in rows)
    head = [*(["pass"] if passes else []), "weighing", *map(_head, measures)]
    head += ["Σ Cov < 0"] if signs else []
    head += ["bound < static's"] if bounds else []
    head += ["channels chosen"] if channels else []
    lines = []
    static = {row["pass"]: row["measures"] for row in rows if row["weighing"] == STATIC.name}
    for row in rows:
        base = static.get(row["pass"], {})
        cells = [*([row["pass"]] if passes else []), row["weighing"]]
        cells += [_cell(m, row, base) for m in measures]
        cells += [f"{row['negative_covariance']:.0%}"] if signs else []
        cells += [_percent(row.get("lower_bound_than_static"), row)] if bounds else []
        cells += [_channels(row.get("channels", ()))] if channels else []
        lines.append(cells)
        if "published" in row:
            figures = row["published"]
            cells = [*([""] if passes else []), f"*published, {row['weighing']}*"]
            cells += [f"*{figures[m]:.2f}*" if m in figures else "" for m in measures]
            cells += [""] * (len(head) - len(cells))
            lines.append(cells)
    return table(head, lines)


def _head(measure):
    return heading(measure) if measure in metrics.METRICS else _HEADS[measure]


def _cell(measure, row, base):
    if measure not in row["measures"]:
        return ""
    mean = row["measures"][measure]["mean"]
    if measure not in metrics.METRICS:
        return f"{mean:.0%}" if measure.startswith("holds") else f"{mean:.4g}"
    if measure not in base or base is row["measures"] or row["weighing"] == STATIC.name:
        return f"{mean:.3f}"
    return f"{mean:.3f} ({100 * (mean / base[measure]['mean'] - 1):+.1f} %)"


def _percent(share, row):
    return "" if share is None or row["weighing"] == STATIC.name else f"{share:.0%}"


def _channels(channels):
    counts = sorted(((channels.count(c), c) for c in set(channels)), reverse=True)
    return ", ".join(f"{c} ({n}x)" for n, c in counts[:4]) + (", ..." if len(counts) > 4 else "")


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
