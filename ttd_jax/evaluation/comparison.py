"""Evaluations beside the published figures, and TTD beside static fusion."""

import re
from collections.abc import Mapping, Sequence

from ttd_jax.errors import counted
from ttd_jax.metrics import METRICS
from ttd_jax.metrics.intervals import estimates, paired_differences
from ttd_jax.metrics.ranks import mean_ranks, significance
from ttd_jax.networks import lookup
from ttd_jax.report import published
from ttd_jax.report.csv_text import csv_text
from ttd_jax.report.latex import PACKAGES, booktabs, escape
from ttd_jax.report.markdown import table
from ttd_jax.report.scores import (
    arrow,
    grouped_rows,
    groups,
    heading,
    interval,
    shown,
    told_apart,
    undefined_notes,
)

_ARROWS = {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "→0": r"$\to 0$"}
_FIELDS = (
    "mean",
    "std",
    "low",
    "high",
    "count",
    "undefined",
    "published",
    "difference",
    "agrees",
)
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
      out; `gains`: strategy -> metric -> paired difference from static fusion.
    """
    columns = _columns(records, names)
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


def rank(found: Sequence[tuple[Mapping, Sequence[Mapping]]]) -> dict[str, dict]:
    """How models and strategies rank on each data set, and where they differ.

    Args:
      found: comparisons with their records.

    Returns:
      Data set -> `{'ranks': {'model (strategy)': mean rank}, 'significance'}`, see
      `ttd_jax.metrics.ranks`; empty where there is one model and one strategy.
    """
    columns = {}
    for compared, records in found:
        dataset, strategies = compared["dataset"], compared["strategies"]
        scores = _columns(records, next(iter(strategies.values())))
        for strategy in strategies:
            method = f"{compared['model']} ({strategy})"
            columns.setdefault(dataset, {})[method] = scores[strategy]
    return {
        dataset: {"ranks": mean_ranks(of), "significance": significance(of)}
        for dataset, of in columns.items()
        if len(of) > 1
    }


def rank_table(ranked: Mapping[str, Mapping]) -> tuple[list[str], list[list]]:
    """Head and rows of a `rank`: a method, its mean rank on each data set, and their mean."""
    first = next(iter(ranked.values()))["ranks"]
    rows = [[method, *(of["ranks"][method] for of in ranked.values())] for method in first]
    head = ["model (strategy)", *ranked]
    if len(ranked) > 1:
        head, rows = [*head, "mean"], [[*row, sum(row[1:]) / len(ranked)] for row in rows]
    return head, sorted(rows, key=lambda row: row[-1])


def rank_notes(ranked: Mapping[str, Mapping]) -> list[str]:
    """What the tests say of each data set."""
    return [f"{name}: {told_apart(**of)}" for name, of in ranked.items()]


def _columns(records, names):
    """Strategy -> metric -> scores, in the order of the images' names."""
    records = sorted(records, key=lambda record: record["image"])
    return {
        strategy: {n: [record["scores"][strategy][n] for record in records] for n in names}
        for strategy in records[0]["scores"]
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


def markdown(
    comparisons: Sequence[Mapping], protocol: str, ranked: Mapping[str, Mapping] | None = None
) -> str:
    """One section for each model and data set, and one of their `rank`."""
    lines = [f"# Evaluation, protocol `{protocol}`", ""]
    for c in comparisons:
        lines += [f"## {c['model']} on {c['dataset']}, {counted(c['count'], 'image')}", ""]
        lines += [
            f"{_sentence(note)}\n"
            for note in (lookup(c["model"]).note, c["published_note"])
            if note
        ]
        strategies = c["strategies"]
        beside = [s for s in strategies if has_published(c, s)]
        head = ["metric"]
        for strategy in strategies:
            head += [strategy, *(_PUBLISHED if strategy in beside else ())]

        def row(name, strategies=strategies, beside=beside):
            columns = (_cells(of[name], s in beside) for s, of in strategies.items())
            return [heading(name), *(cell for cells in columns for cell in cells)]

        names = next(iter(strategies.values()))
        lines += [*table(head, grouped_rows([*names], row)), ""]
        lines += [f"{note}\n" for note in undefined_notes(strategies)]
        for strategy, gains in c["gains"].items():
            lines += [*_gains(strategy, gains, c["count"]), ""]
    if ranked:
        head, rows = rank_table(ranked)
        rows = [[method, *(shown(one, ".2f") for one in own)] for method, *own in rows]
        lines += ["## Mean ranks over the metrics", "", *table(head, rows), ""]
        lines += [f"{note}\n" for note in rank_notes(ranked)]
    return "\n".join(lines)


def has_published(comparison: Mapping, strategy: str) -> bool:
    """Whether the paper has any figure beside those of a strategy."""
    return any("published" in cell for cell in comparison["strategies"][strategy].values())


def _gains(strategy, gains, count):
    spread = ["interval", "images improved"] if count > 1 else []

    def row(name):
        gain = gains[name]
        cells = [heading(name), shown(gain["mean"], "+.4f"), interval(gain, "+")]
        return [*cells, shown(gain["improved"], ".0%")][: 2 + len(spread)]

    title = f"{strategy} - {STATIC}" + (", paired, 95 % bootstrap interval:" if spread else ":")
    return [title, "", *table(["metric", "gain", *spread], grouped_rows([*gains], row))]


def latex(
    comparisons: Sequence[Mapping], protocol: str, ranked: Mapping[str, Mapping] | None = None
) -> str:
    """A booktabs table for each data set, models and strategies as rows; best figures bold."""
    blocks = [f"% protocol: {protocol}\n{PACKAGES}"]
    for dataset in dict.fromkeys(c["dataset"] for c in comparisons):
        own = [c for c in comparisons if c["dataset"] == dataset]
        found = {f"{c['model']} ({s})": of for c in own for s, of in c["strategies"].items()}
        of_groups = groups([*next(iter(found.values()))])
        widths = {group: len(own) for group, own in of_groups.items()}
        names = [name for own in of_groups.values() for name in own]
        cells = {m: {n: shown(of[n]["mean"], ".2f") for n in names} for m, of in found.items()}
        best = {name: _best(name, [of[name] for of in cells.values()]) for name in names}
        rows = [[escape(m), *(_bold_if(of[n], best[n]) for n in names)] for m, of in cells.items()]
        head = ["Method", *(f"{escape(n)} {_ARROWS[arrow(n)]}" for n in names)]
        if ranked and dataset in ranked:
            head.append(f"mean rank {_ARROWS['↓']}")
            ranks = {m: shown(rank, ".2f") for m, rank in ranked[dataset]["ranks"].items()}
            best = next(iter(ranks.values()))
            rows = [[*row, _bold_if(ranks[m], best)] for m, row in zip(found, rows, strict=True)]
            last = "" if "" in widths else "all"
            widths[last] = widths.get(last, 0) + 1
        images = counted(own[0]["count"], "image")
        told = [f"Means over the {images} of {dataset}, protocol {protocol}; the best are bold."]
        blocks.append(
            booktabs(
                " ".join([*told, *undefined_notes(found)]),
                head,
                rows,
                label="tab:" + re.sub(r"\W+", "-", dataset, flags=re.ASCII),
                groups=widths,
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
    return max(numbers, key=lambda figure: METRICS[metric].merit(float(figure)), default=None)


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
