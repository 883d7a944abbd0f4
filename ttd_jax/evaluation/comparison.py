"""Evaluations beside the published figures, and TTD beside static fusion."""

from collections.abc import Mapping, Sequence

from ttd_jax.metrics import METRICS
from ttd_jax.metrics.intervals import estimates, paired_differences
from ttd_jax.networks import lookup
from ttd_jax.report import published
from ttd_jax.report.csv_text import csv_text
from ttd_jax.report.latex import booktabs, escape
from ttd_jax.report.markdown import table
from ttd_jax.report.scores import arrow, heading, interval

_ARROWS = {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}
_FIELDS = ("mean", "std", "low", "high", "count", "published", "difference", "agrees")
STATIC = "static"


def compare(model: str, dataset: str, records: Sequence[Mapping], names: Sequence[str]) -> dict:
    """Everything the tables say of one model on one data set.

    Args:
      model: name in the registry.
      dataset: name of the data set, as in `published.BENCHMARKS`.
      records: see `evaluate_dataset`.
      names: the metrics.

    Returns:
      JSON-able: `count`; `strategies`: strategy -> metric -> its `estimate` with
      `published`, `difference` and `agrees` where the paper has a figure; `gains`: strategy ->
      metric -> paired difference from static fusion, with the share of images improved.
    """
    records = sorted(records, key=lambda record: record["image"])
    columns = {
        strategy: {n: [record["scores"][strategy][n] for record in records] for n in names}
        for strategy in records[0]["scores"]
    }
    return {
        "model": model,
        "dataset": dataset,
        "count": len(records),
        "strategies": {
            strategy: {
                name: {**cell, **_beside(model, dataset, strategy, name, columns[strategy][name])}
                for name, cell in column.items()
            }
            for strategy, column in estimates(columns).items()
        },
        "gains": paired_differences(columns, STATIC) if STATIC in columns else {},
    }


def _beside(model, dataset, strategy, metric, scores):
    table = published.BENCHMARKS.get(dataset)
    method = lookup(model).published_as
    if table is None or method is None:
        return {}
    figure = table.figure(method + ("" if strategy == STATIC else "+TTD"), metric)
    if figure is None:
        return {}
    mean = sum(scores) / len(scores)
    return {
        "published": figure,
        "difference": mean - figure,
        "agrees": published.agrees(mean, figure),
    }


def markdown(comparisons: Sequence[Mapping], protocol: str) -> str:
    """One section for each model and data set."""
    lines = [f"# Evaluation, protocol `{protocol}`", ""]
    for c in comparisons:
        lines += [f"## {c['model']} on {c['dataset']}, {c['count']} images", ""]
        lines += [_note(c)] if _note(c) else []
        strategies = c["strategies"]
        head = ["metric"]
        for strategy in strategies:
            head += [strategy, "published", "difference", "rounds to it"]
        rows = [
            [heading(name), *(cell for s in strategies.values() for cell in _cells(s[name]))]
            for name in next(iter(strategies.values()))
        ]
        lines += [*table(head, rows), ""]
        for strategy, gains in c["gains"].items():
            rows = [
                (heading(n), f"{g['mean']:+.4f}", interval(g, "+"), f"{g['improved']:.0%}")
                for n, g in gains.items()
            ]
            lines += [f"{strategy} - {STATIC}, paired, 95 % bootstrap interval:", ""]
            lines += [*table(["metric", "gain", "interval", "images improved"], rows), ""]
    return "\n".join(lines)


def latex(comparisons: Sequence[Mapping], protocol: str) -> str:
    """A booktabs table for each data set, models and strategies as rows; best figures bold."""
    blocks = [f"% protocol: {protocol}"]
    for dataset in dict.fromkeys(c["dataset"] for c in comparisons):
        columns = [
            (f"{c['model']}, {strategy}", column)
            for c in comparisons
            if c["dataset"] == dataset
            for strategy, column in c["strategies"].items()
        ]
        names = list(columns[0][1])
        best = {
            n: (max if METRICS[n].better == "up" else min)(c[n]["mean"] for _, c in columns)
            for n in names
        }
        rows = [
            [escape(label), *(_bold_if(column[n]["mean"], best[n]) for n in names)]
            for label, column in columns
        ]
        head = ["Method", *(f"{n} {_ARROWS[arrow(n)]}" for n in names)]
        blocks.append(booktabs(dataset, head, rows))
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


def _bold_if(mean, best):
    return rf"\textbf{{{mean:.2f}}}" if mean == best else f"{mean:.2f}"


def _cells(cell):
    mean = f"{cell['mean']:.4f} {interval(cell)}"
    if "published" not in cell:
        return [mean, "", "", ""]
    agrees = "yes" if cell["agrees"] else "no"
    return [mean, f"{cell['published']:.2f}", f"{cell['difference']:+.4f}", agrees]


def _note(comparison):
    note = lookup(comparison["model"]).note
    return f"{note[0].upper()}{note[1:]}.\n" if note else ""
