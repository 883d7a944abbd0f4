"""Evaluations beside the published figures, and TTD beside static fusion."""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence

from ttd_jax import metrics
from ttd_jax.evaluation import published
from ttd_jax.evaluation.intervals import estimate, paired_difference
from ttd_jax.networks import lookup

STATIC = "static"


def compare(model: str, dataset: str, records: Sequence[Mapping], names: Sequence[str]) -> dict:
    """Everything the tables say of one model on one data set.

    Args:
      model: name in the registry.
      dataset: name of the data set, as in `published.BENCHMARKS`.
      records: see `evaluate_dataset`.
      names: the metrics.

    Returns:
      JSON-able: `count`; `strategies`: strategy -> metric -> the fields of an `Estimate` with
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
                n: {
                    **dataclasses.asdict(estimate(values)),
                    **_beside(model, dataset, strategy, n, sum(values) / len(values)),
                }
                for n, values in column.items()
            }
            for strategy, column in columns.items()
        },
        "gains": {
            strategy: {
                n: paired_difference(
                    column[n], columns[STATIC][n], better=metrics.METRICS[n].better
                )
                for n in names
            }
            for strategy, column in columns.items()
            if STATIC in columns and strategy != STATIC
        },
    }


def _beside(model, dataset, strategy, metric, mean):
    table = published.BENCHMARKS.get(dataset)
    method = lookup(model).published_as
    if table is None or method is None:
        return {}
    figure = table.figure(method + ("" if strategy == STATIC else "+TTD"), metric)
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
        lines += [f"## {c['model']} on {c['dataset']}, {c['count']} images", ""]
        lines += [_note(c)] if _note(c) else []
        strategies = c["strategies"]
        header = ["metric"]
        for strategy in strategies:
            header += [strategy, "published", "difference", "rounds to it"]
        lines += [_row(header), _row(["---"] * len(header))]
        for name in next(iter(strategies.values())):
            cells = [f"{name} {_arrow(name)}"]
            for column in strategies.values():
                cells += _cells(column[name])
            lines.append(_row(cells))
        lines.append("")
        for strategy, gains in c["gains"].items():
            lines += [f"{strategy} - {STATIC}, paired, 95 % bootstrap interval:", ""]
            lines += [_row(["metric", "gain", "interval", "images improved"]), _row(["---"] * 4)]
            for name, g in gains.items():
                interval = f"[{g['low']:+.4f}, {g['high']:+.4f}]"
                share = f"{g['improved']:.0%}"
                lines.append(_row([f"{name} {_arrow(name)}", f"{g['mean']:+.4f}", interval, share]))
            lines.append("")
    return "\n".join(lines)


def latex(comparisons: Sequence[Mapping], protocol: str) -> str:
    """A booktabs table for each data set, models and strategies as rows; best figures bold."""
    blocks = [f"% protocol: {protocol}"]
    for dataset in dict.fromkeys(c["dataset"] for c in comparisons):
        rows = [
            (f"{c['model']}, {strategy}".replace("_", r"\_"), column)
            for c in comparisons
            if c["dataset"] == dataset
            for strategy, column in c["strategies"].items()
        ]
        names = list(rows[0][1])
        best = {
            n: (max if metrics.METRICS[n].better == "up" else min)(r[n]["mean"] for _, r in rows)
            for n in names
        }
        arrows = {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}
        head = " & ".join(["Method", *(f"{n} {arrows[_arrow(n)]}" for n in names)])
        body = []
        for label, column in rows:
            cells = [
                rf"\textbf{{{column[n]['mean']:.2f}}}"
                if column[n]["mean"] == best[n]
                else f"{column[n]['mean']:.2f}"
                for n in names
            ]
            body.append(" & ".join([label, *cells]) + r" \\")
        caption = dataset.replace("_", r"\_")
        blocks.append(
            "\n".join(
                [
                    r"\begin{table}",
                    rf"\caption{{{caption}}}",
                    rf"\begin{{tabular}}{{l{'c' * len(names)}}}",
                    r"\toprule",
                    head + r" \\",
                    r"\midrule",
                    *body,
                    r"\bottomrule",
                    r"\end{tabular}",
                    r"\end{table}",
                ]
            )
        )
    return "\n\n".join(blocks) + "\n"


def csv_table(comparisons: Sequence[Mapping], protocol: str) -> str:
    """A row for each model, data set, strategy and metric."""
    fields = ("mean", "std", "low", "high", "count", "published", "difference", "agrees")
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["model", "dataset", "strategy", "metric", "protocol", *fields])
    for c in comparisons:
        for strategy, column in c["strategies"].items():
            for name, cell in column.items():
                values = (cell.get(field, "") for field in fields)
                writer.writerow([c["model"], c["dataset"], strategy, name, protocol, *values])
    return buffer.getvalue()


def _cells(cell):
    interval = f"{cell['mean']:.4f} [{cell['low']:.4f}, {cell['high']:.4f}]"
    if "published" not in cell:
        return [interval, "", "", ""]
    agrees = "yes" if cell["agrees"] else "no"
    return [interval, f"{cell['published']:.2f}", f"{cell['difference']:+.4f}", agrees]


def _note(comparison):
    note = lookup(comparison["model"]).note
    return f"{note[0].upper()}{note[1:]}.\n" if note else ""


def _arrow(name):
    return "↑" if metrics.METRICS[name].better == "up" else "↓"


def _row(cells):
    return f"| {' | '.join(cells)} |"
