"""Scores of sequences as CSV, JSON and Markdown."""

import operator
from collections.abc import Mapping, Sequence

from ttd_jax.errors import counted, some
from ttd_jax.evaluation import tables
from ttd_jax.evaluation.steps import SOURCE, STEP_METRICS
from ttd_jax.files import dumps
from ttd_jax.metrics.intervals import estimate, estimates, paired_difference
from ttd_jax.metrics.ranks import mean_ranks
from ttd_jax.report.csv_text import csv_text
from ttd_jax.report.markdown import table
from ttd_jax.report.scores import grouped_rows, heading, undefined_notes


def sequence_files(
    records: Sequence[Mapping], protocol: str, names: Sequence[str]
) -> list[tuple[str, str]]:
    """The files of a scored sequence.

    Args:
      records: of `score_sequences`, grouped by method.
      protocol: the protocol's name; every file states it.
      names: the metrics of frames, in the order of the columns.

    Returns:
      List of `(file name, text)`: scores.csv, scores.json, scores.md.
    """
    summary = summarize(records, names)
    content = {"protocol": protocol, "metrics": list(names), **summary}
    temporal = [*known_steps(summary), SOURCE]
    rows = (
        [
            *(r[field] for field in ("method", "frame", "time")),
            protocol,
            *map(r["scores"].get, names),
            *map(r["temporal"].get, temporal),
        ]
        for r in records
    )
    columns = ["method", "frame", "time", "protocol", *names, *temporal]
    return [
        ("scores.csv", csv_text([columns, *rows])),
        ("scores.json", dumps(content)),
        ("scores.md", markdown(summary, protocol, names)),
    ]


def summarize(records: Sequence[Mapping], names: Sequence[str]) -> dict:
    """Means with intervals, and paired differences from the first method.

    Returns:
      `{'frames': how many, 'cuts': frames that begin another scene, 'methods': {method: {metric:
      estimate}}, 'baseline': first method, 'differences': {other method: {metric: paired
      difference}}, 'temporal': {'methods', 'baseline', 'differences'}}`, the same from frame to
      frame, there with 'source', the `estimate` of the first source's own flicker; of several
      methods also `'ranks': {method: mean rank}`. Frames are not tested for
      significance, as images are: they are not independent.
    """
    columns = tables.columns_of(records, names)
    baseline = next(iter(columns))
    own = [record for record in records if record["method"] == baseline]
    summary = {
        "frames": len(own),
        "cuts": [record["frame"] for record in own if record["cut"]],
        **tables.compared(columns),
        "temporal": _temporal(records, own),
    }
    if len(columns) > 1:
        summary["ranks"] = mean_ranks(columns)
    return summary


def _temporal(records, own):
    baseline = own[0]["method"]
    columns = tables.columns_of(records, STEP_METRICS, "temporal")
    differences = {
        method: {
            name: paired_difference(figures, columns[baseline][name], merit=operator.neg)
            for name, figures in of.items()
        }
        for method, of in columns.items()
        if method != baseline
    }
    return {
        "methods": estimates(columns),
        "baseline": baseline,
        "differences": differences,
        "source": estimate([record["temporal"][SOURCE] for record in own]),
    }


def markdown(summary: Mapping, protocol: str, names: Sequence[str]) -> str:
    """A table of the frames, and one of what changes from frame to frame."""
    rows = grouped_rows(names, lambda name: tables.row(summary, name, heading(name)))
    if "ranks" in summary:
        rows.append(tables.rank_row(summary))
    spread = "; mean ± std [95 % bootstrap interval of the mean]" if summary["frames"] > 1 else ""
    notes = undefined_notes(summary["methods"], "frame")
    lines = [
        f"Protocol `{protocol}`, {counted(summary['frames'], 'frame')}{spread}.",
        "",
        *table(tables.head(summary), rows),
        *(line for note in notes for line in ("", note)),
    ]
    temporal = summary["temporal"]
    known = known_steps(summary)
    if known:
        rows = [tables.row(temporal, name, f"{name} ↓") for name in known]
        lines += [
            "",
            _told(summary),
            "",
            *table(tables.head(temporal), rows),
            "",
            _of_source(summary),
        ]
    return "\n".join(lines) + "\n"


def known_steps(summary: Mapping) -> list[str]:
    """The metrics of steps that some method of a summary has a figure of."""
    methods = summary["temporal"]["methods"].values()
    return [name for name in STEP_METRICS if any(of[name]["count"] for of in methods)]


def _told(summary):
    cuts = [str(frame) for frame in summary["cuts"]]
    told = f", without {counted(len(cuts), 'cut')} (frame {some(cuts)})" if cuts else ""
    return f"From frame to frame{told}:"


def _of_source(summary):
    told = tables.mean_cell(summary["temporal"]["source"])
    return (
        f"Along the same motion the first source's own flicker is {told}: its noise, and what the "
        "motion does not tell. Neighboring frames are alike, so that for other sequences the "
        "intervals are too narrow."
    )
