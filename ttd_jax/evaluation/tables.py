"""Scores as CSV, JSON and Markdown."""

import csv
import dataclasses
import io
import json
from collections.abc import Sequence

from ttd_jax import metrics
from ttd_jax.evaluation.intervals import estimate, paired_difference


def score_files(records, protocol: str, names: Sequence[str]):
    """The files of a scoring run.

    Args:
      records: dicts with `method`, `image` and `scores`, grouped by method.
      protocol: the protocol's name; every file states it.
      names: the metrics, in the order of the columns.

    Returns:
      List of `(file name, bytes)`: scores.csv, scores.json, scores.md.
    """
    summary = summarize(records, names)
    content = {"protocol": protocol, "metrics": list(names), **summary}
    return [
        ("scores.csv", _csv(records, protocol, names).encode()),
        ("scores.json", (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()),
        ("scores.md", markdown(summary, protocol, names).encode()),
    ]


def summarize(records, names: Sequence[str]) -> dict:
    """Means with intervals, and paired differences from the first method.

    Returns:
      `{'methods': {method: {metric: Estimate fields}}, 'baseline': first method,
      'differences': {other method: {metric: paired difference}}}`.
    """
    columns = {}
    for record in records:
        for name in names:
            column = columns.setdefault(record["method"], {}).setdefault(name, [])
            column.append(record["scores"][name])
    baseline, *others = columns
    return {
        "methods": {
            method: {n: dataclasses.asdict(estimate(v)) for n, v in column.items()}
            for method, column in columns.items()
        },
        "baseline": baseline,
        "differences": {
            method: {
                n: paired_difference(
                    columns[method][n], columns[baseline][n], better=metrics.METRICS[n].better
                )
                for n in names
            }
            for method in others
        },
    }


def markdown(summary, protocol: str, names: Sequence[str]) -> str:
    """One row a metric: mean, std and interval for each method, then the paired differences."""
    methods, baseline = summary["methods"], summary["baseline"]
    count = next(iter(methods[baseline].values()))["count"]
    lines = [
        f"Protocol `{protocol}`, {count} images; mean ± std [95 % bootstrap interval of the mean].",
        "",
        _row(["metric", *methods, *(f"{m} - {baseline}" for m in summary["differences"])]),
        _row(["---"] * (1 + len(methods) + len(summary["differences"]))),
    ]
    for name in names:
        arrow = "↑" if metrics.METRICS[name].better == "up" else "↓"
        cells = [f"{name} {arrow}"]
        for scores in methods.values():
            e = scores[name]
            cells.append(f"{e['mean']:.4f} ± {e['std']:.4f} [{e['low']:.4f}, {e['high']:.4f}]")
        for differences in summary["differences"].values():
            d = differences[name]
            cells.append(
                f"{d['mean']:+.4f} [{d['low']:+.4f}, {d['high']:+.4f}], "
                f"better on {d['improved']:.0%}"
            )
        lines.append(_row(cells))
    return "\n".join(lines) + "\n"


def _row(cells):
    return f"| {' | '.join(cells)} |"


def _csv(records, protocol, names):
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["method", "image", "protocol", *names])
    for record in records:
        scores = (repr(record["scores"][name]) for name in names)
        writer.writerow([record["method"], record["image"], protocol, *scores])
    return buffer.getvalue()
