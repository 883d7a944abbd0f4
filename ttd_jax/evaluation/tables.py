"""Scores as CSV, JSON and Markdown."""

import collections
from collections.abc import Iterable, Mapping, Sequence

from ttd_jax.errors import counted
from ttd_jax.files import dumps
from ttd_jax.metrics.intervals import estimates, paired_differences
from ttd_jax.report.csv_text import csv_text
from ttd_jax.report.markdown import table
from ttd_jax.report.scores import heading, interval, shown


def score_files(
    records: Sequence[Mapping], protocol: str, names: Sequence[str]
) -> list[tuple[str, str]]:
    """The files of a scoring run.

    Args:
      records: dicts with `method`, `image` and `scores`, grouped by method.
      protocol: the protocol's name; every file states it.
      names: the metrics, in the order of the columns.

    Returns:
      List of `(file name, text)`: scores.csv, scores.json, scores.md.
    """
    rows = [[r["method"], r["image"], protocol, *map(r["scores"].get, names)] for r in records]
    summary = summarize(records, names)
    content = {"protocol": protocol, "metrics": list(names), **summary}
    return [
        ("scores.csv", csv_text([["method", "image", "protocol", *names], *rows])),
        ("scores.json", dumps(content)),
        ("scores.md", markdown(summary, protocol, names)),
    ]


def summarize(records: Sequence[Mapping], names: Sequence[str]) -> dict:
    """Means with intervals, and paired differences from the first method.

    Returns:
      `{'methods': {method: {metric: estimate}}, 'baseline': first method,
      'differences': {other method: {metric: paired difference}}}`.
    """
    columns = {}
    for record in records:
        column = columns.setdefault(record["method"], {name: [] for name in names})
        for name in names:
            column[name].append(record["scores"][name])
    baseline = next(iter(columns))
    return {
        "methods": estimates(columns),
        "baseline": baseline,
        "differences": paired_differences(columns, baseline),
    }


def markdown(summary: Mapping, protocol: str, names: Sequence[str]) -> str:
    """One row a metric: mean, std and interval for each method, then the paired differences."""
    methods, baseline = summary["methods"], summary["baseline"]
    differences = summary["differences"]
    count = next(iter(methods[baseline].values()))["count"]
    rows = [
        (
            heading(name),
            *(_mean(scores[name]) for scores in methods.values()),
            *(_difference(scores[name]) for scores in differences.values()),
        )
        for name in names
    ]
    spread = "; mean ± std [95 % bootstrap interval of the mean]" if count > 1 else ""
    lines = [
        f"Protocol `{protocol}`, {counted(count, 'image')}{spread}.",
        "",
        *table(["metric", *methods, *(f"{m} - {baseline}" for m in differences)], rows),
    ]
    return "\n".join(lines) + "\n"


def _mean(estimate):
    mean = shown(estimate["mean"])
    if estimate["std"] is None:
        return mean
    return f"{mean} ± {estimate['std']:.4f} {interval(estimate)}"


def _difference(one):
    mean = shown(one["mean"], "+.4f")
    if one["improved"] is None:
        return mean
    return f"{mean} {interval(one, '+')}, better on {one['improved']:.0%}"


def no_numbers(scores: Iterable[Mapping[str, float | None]]) -> list[str]:
    """A line for each metric that gave NaN or infinity, which a record holds as None."""
    scores = list(scores)
    counts = collections.Counter(
        name for one in scores for name, value in one.items() if value is None
    )
    return [
        f"metric {name!r} gives no number for {count} of {len(scores)} pictures: its mean is n/a"
        for name, count in counts.items()
    ]
