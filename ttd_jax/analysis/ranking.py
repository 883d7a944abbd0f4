"""Which weighing comes nearest to the published gains of TTD."""

import math
from collections.abc import Mapping, Sequence

from ttd_jax.analysis.studies import STATIC
from ttd_jax.networks import FusionSpec
from ttd_jax.report import published


def rank(rows: Sequence[Mapping], spec: FusionSpec) -> list[dict]:
    """Weighings by their distance from the published gains, the nearest first.

    A gain is the logarithm of a metric's ratio, TTD over static fusion: it can be compared although
    the images differ. The distance of a weighing is the root mean square, over the metrics of a
    data set and then over the data sets, of the difference between its gains and the published
    ones.

    Args:
      rows: see `summary.summarize`.
      spec: of the network.

    Returns:
      A list of `{'weighing', 'distance', 'signs', 'datasets': {data set: {'distance', 'signs',
      'gains': {metric: [measured, published]}}}}`; gains in per cent; `signs` is the share of
      published gains, as far as they survive rounding, whose direction is met. Empty where nothing
      is published.
    """
    tables = {}
    for dataset in dict.fromkeys(r["dataset"] for r in rows):
        gains = _published_gains(dataset, spec)
        if gains:
            tables[dataset] = gains
    static = {r["dataset"]: r["measures"] for r in rows if r["weighing"] == STATIC.name}
    ranked = {}
    for r in rows:
        if r["weighing"] != STATIC.name and r["dataset"] in tables:
            gains = _compare(r["measures"], static[r["dataset"]], tables[r["dataset"]])
            ranked.setdefault(r["weighing"], {})[r["dataset"]] = gains
    found = [
        {
            "weighing": weighing,
            "distance": _root_mean_square(d["distance"] for d in sets.values()),
            "signs": sum(d["signs"] for d in sets.values()) / len(sets),
            "datasets": sets,
        }
        for weighing, sets in ranked.items()
    ]
    return sorted(found, key=lambda entry: entry["distance"])


def table_of(dataset: str) -> str | None:
    """The published table that a data set, or a sample of it, belongs to."""
    if dataset in published.BENCHMARKS:
        return dataset
    benchmark = dataset.partition("/")[0]
    same = [name for name in published.BENCHMARKS if name.partition("/")[0] == benchmark]
    return same[0] if len(same) == 1 else None


def _published_gains(dataset, spec):
    """Metric -> (log ratio, whether its sign survives rounding)."""
    name = table_of(dataset)
    if name is None or spec.published_as is None:
        return {}
    table = published.BENCHMARKS[name]
    gains = {}
    for metric in table.columns:
        before = table.figure(spec.published_as, metric)
        after = table.figure(f"{spec.published_as}+TTD", metric)
        if before and after:
            gains[metric] = (math.log(after / before), abs(after - before) > 10**-published.DIGITS)
    return gains


def _compare(measures, static, gains):
    compared = {
        metric: (math.log(measures[metric]["mean"] / static[metric]["mean"]), theirs, certain)
        for metric, (theirs, certain) in gains.items()
        if metric in measures and measures[metric]["mean"] > 0 and static[metric]["mean"] > 0
    }
    signs = [ours * theirs > 0 for ours, theirs, certain in compared.values() if certain]
    return {
        "distance": 100 * _root_mean_square(a - b for a, b, _ in compared.values()),
        "signs": sum(signs) / len(signs) if signs else 1.0,
        "gains": {m: [100 * ours, 100 * theirs] for m, (ours, theirs, _) in compared.items()},
    }


def _root_mean_square(values):
    values = list(values)
    return math.sqrt(sum(v * v for v in values) / len(values)) if values else math.inf
