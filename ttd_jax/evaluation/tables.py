"""Scores as CSV, JSON and Markdown."""

from collections.abc import Mapping, Sequence

from ttd_jax.errors import counted
from ttd_jax.evaluation.regions import REGIONS
from ttd_jax.files import dumps
from ttd_jax.metrics.intervals import estimates, paired_differences
from ttd_jax.metrics.ranks import mean_ranks, significance
from ttd_jax.report.csv_text import csv_text
from ttd_jax.report.markdown import table
from ttd_jax.report.scores import (
    RANK,
    grouped_rows,
    heading,
    interval,
    shown,
    told_apart,
    undefined_notes,
)


def score_files(
    records: Sequence[Mapping], protocol: str, names: Sequence[str]
) -> list[tuple[str, str]]:
    """The files of a scoring run.

    Args:
      records: of `score_results`, grouped by method.
      protocol: the protocol's name; every file states it.
      names: the metrics, in the order of the columns.

    Returns:
      List of `(file name, text)`: scores.csv, scores.json, scores.md.
    """
    summary = summarize(records, names)
    content = {"protocol": protocol, "metrics": list(names), **summary}
    columns = ["method", "image", *(["region"] if "regions" in summary else []), "protocol", *names]
    rows = (
        [
            r["method"],
            r["image"],
            *([region] if region else []),
            protocol,
            *map(r["scores"].get, names),
        ]
        for region, own in _by_region(records).items()
        for r in own
    )
    return [
        ("scores.csv", csv_text([columns, *rows])),
        ("scores.json", dumps(content)),
        ("scores.md", markdown(summary, protocol, names)),
    ]


def summarize(records: Sequence[Mapping], names: Sequence[str]) -> dict:
    """Means with intervals, and paired differences from the first method.

    Returns:
      `{'images': how many, 'methods': {method: {metric: estimate}}, 'baseline': first method,
      'differences': {other method: {metric: paired difference}}}`; of several methods also
      `'ranks': {method: mean rank}` and `'significance'`, see `ttd_jax.metrics.ranks`. Of masked
      pictures `{'regions': {region: such a summary}}` of the images that have a pixel there, with
      `empty`: how many have none.
    """
    by_region = _by_region(records)
    if "" in by_region:
        return _summary(records, names)
    regions = {}
    for region, own in by_region.items():
        judged = [r for r in own if region not in r["empty"]]
        regions[region] = _summary(judged, names) if judged else {"images": 0}
        regions[region]["empty"] = (len(own) - len(judged)) // len({r["method"] for r in own})
    return {"regions": regions}


def _by_region(records):
    """Region -> records with its scores; '' for those of whole pictures."""
    if "regions" not in records[0]:
        return {"": records}
    return {region: [{**r, "scores": r["regions"][region]} for r in records] for region in REGIONS}


def columns_of(records: Sequence[Mapping], names: Sequence[str], field: str = "scores") -> dict:
    """Method -> metric -> a figure a record, of a field of the records."""
    columns = {}
    for record in records:
        column = columns.setdefault(record["method"], {name: [] for name in names})
        for name in names:
            column[name].append(record[field][name])
    return columns


def compared(columns: Mapping) -> dict:
    """Estimates of the figures of `columns_of`, and paired differences from the first method."""
    baseline = next(iter(columns))
    return {
        "methods": estimates(columns),
        "baseline": baseline,
        "differences": paired_differences(columns, baseline),
    }


def rank_row(summary: Mapping) -> list[str]:
    """The row of the methods' mean ranks, below those of `row`."""
    ranks = (shown(summary["ranks"][method], ".2f") for method in summary["methods"])
    return [f"**{RANK}**", *ranks, *[""] * len(summary["differences"])]


def _summary(records, names):
    columns = columns_of(records, names)
    summary = {"images": len(records) // len(columns), **compared(columns)}
    if len(columns) > 1:
        summary |= {"ranks": mean_ranks(columns), "significance": significance(columns)}
    return summary


def markdown(summary: Mapping, protocol: str, names: Sequence[str]) -> str:
    """One row a metric: mean, std and interval for each method, then the paired differences."""
    if "regions" in summary:
        parts = (
            (r.capitalize(), markdown(s, protocol, names)) for r, s in summary["regions"].items()
        )
        return "\n".join(f"## {title}\n\n{text}" for title, text in parts)
    empty = ""
    if summary.get("empty"):
        empty = f" {counted(summary['empty'], 'image')} without a pixel of it left out."
    if not summary["images"]:
        return f"{empty.strip()}\n"
    rows = grouped_rows(names, lambda name: row(summary, name, heading(name)))
    notes = undefined_notes(summary["methods"])
    if "ranks" in summary:
        rows.append(rank_row(summary))
        notes.append(told_apart(summary["ranks"], summary["significance"]))
    spread = "; mean ± std [95 % bootstrap interval of the mean]" if summary["images"] > 1 else ""
    lines = [
        f"Protocol `{protocol}`, {counted(summary['images'], 'image')}{spread}.{empty}",
        "",
        *table(head(summary), rows),
        *(line for note in notes for line in ("", note)),
    ]
    return "\n".join(lines) + "\n"


def head(summary: Mapping) -> list[str]:
    """The head of a table of methods, and of their differences from the first."""
    differences = (f"{method} - {summary['baseline']}" for method in summary["differences"])
    return ["metric", *summary["methods"], *differences]


def row(summary: Mapping, name: str, title: str) -> list[str]:
    """The cells of a metric under `head`, after its title."""
    means = (mean_cell(scores[name]) for scores in summary["methods"].values())
    return [title, *means, *(_difference(of[name]) for of in summary["differences"].values())]


def mean_cell(estimate: Mapping) -> str:
    """What a table says of an `intervals.estimate`."""
    mean = shown(estimate["mean"])
    if estimate["std"] is None:
        return mean
    return f"{mean} ± {estimate['std']:.4f} {interval(estimate)}"


def _difference(one):
    mean = shown(one["mean"], "+.4f")
    if one["improved"] is None:
        return mean
    return f"{mean} {interval(one, '+')}, better on {one['improved']:.0%}"
