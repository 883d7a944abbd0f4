"""The results of a study as Markdown."""

from ttd_jax import metrics
from ttd_jax.analysis.studies import STATIC

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
        lines += _table(own)
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
    lines = [_row(head), _row(["---"] * len(head))]
    static = {row["pass"]: row["measures"] for row in rows if row["weighing"] == STATIC.name}
    for row in rows:
        base = static.get(row["pass"], {})
        cells = [*([row["pass"]] if passes else []), row["weighing"]]
        cells += [_cell(m, row, base) for m in measures]
        cells += [f"{row['negative_covariance']:.0%}"] if signs else []
        cells += [_percent(row.get("lower_bound_than_static"), row)] if bounds else []
        cells += [_channels(row.get("channels", ()))] if channels else []
        lines.append(_row(cells))
        if "published" in row:
            figures = row["published"]
            cells = [*([""] if passes else []), f"*published, {row['weighing']}*"]
            cells += [f"*{figures[m]:.2f}*" if m in figures else "" for m in measures]
            cells += [""] * (len(head) - len(cells))
            lines.append(_row(cells))
    return [*lines, ""]


def _head(measure):
    if measure not in metrics.METRICS:
        return _HEADS[measure]
    return f"{measure} {'↑' if metrics.METRICS[measure].better == 'up' else '↓'}"


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
    head = ["weighing", "distance", "signs met", *sets]
    lines = [
        "## Distance from the published gains",
        "",
        "Root mean square difference of the logarithms of TTD / static, in per cent, over the "
        "metrics of a table; in brackets the share of the published directions that are met.",
        "",
        _row(head),
        _row(["---"] * len(head)),
    ]
    for entry in entries[:_NEAREST]:
        cells = [entry["weighing"], f"{entry['distance']:.2f}", f"{entry['signs']:.0%}"]
        for name in sets:
            d = entry["datasets"][name]
            cells.append(f"{d['distance']:.2f} ({d['signs']:.0%})")
        lines.append(_row(cells))
    best = entries[0]
    lines += [
        "",
        f"Gains in per cent of the nearest, {best['weighing']}, measured / published:",
        "",
    ]
    columns = list(dict.fromkeys(m for d in best["datasets"].values() for m in d["gains"]))
    lines += [_row(["data set", *columns]), _row(["---"] * (1 + len(columns)))]
    for name in sets:
        gains = best["datasets"][name]["gains"]
        cells = (f"{gains[m][0]:+.1f} / {gains[m][1]:+.1f}" if m in gains else "" for m in columns)
        lines.append(_row([name, *cells]))
    return [*lines, ""]


def _row(cells):
    return f"| {' | '.join(cells)} |"
