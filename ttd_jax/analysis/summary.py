"""From the records of a study to its results: means, changes, published figures beside them."""

import dataclasses
from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np

from ttd_jax import metrics
from ttd_jax.analysis import ranking
from ttd_jax.analysis.studies import STATIC, Study
from ttd_jax.core.theory import Moments, bound_from_moments, pool_moments
from ttd_jax.metrics.intervals import estimate, paired_differences
from ttd_jax.networks import FusionSpec


def summarize(
    study: Study, records: Mapping[str, Mapping[str, Sequence[dict]]], spec: FusionSpec
) -> dict:
    """The results of a study.

    Args:
      study: which.
      records: pass -> data set -> records of `analysis.run`, in the order of the images.
      spec: of the network.

    Returns:
      JSON-able: `study`, `question`, `model`; `rows`, one a pass, data set and weighing, with
      `measures` (measure -> its `estimate`) and, where there are any,
      `negative_covariance` (the share of images on which the covariance term is negative),
      `pooled_bound` (Theorem 3.1 with the data set as one image), `lower_bound_than_static` (the
      share of images), `channels` (chosen for each image), `gains` over static fusion (metric ->
      paired difference) and `published` (metric -> figure); `nearest`, for `grid` (see `ranking`);
      `helps`, across networks (see `_helps`).
    """
    rows = []
    for one in study.passes:
        for dataset, found in records[one.name].items():
            if found:
                rows += _rows(study, one, dataset, found)
    result = {"study": study.name, "question": study.question, "model": spec.name, "rows": rows}
    if study.name == "grid":
        result["nearest"] = ranking.rank(rows, spec)
    if study.across:
        result |= {"model": ", ".join(records), "helps": _helps(rows)}
    return result


def _helps(rows):
    """What each loss map does to each network.

    Returns:
      A list of `{'network', 'weighing', 'datasets', 'changes': {metric: per cent}, 'better'}`:
      means over the data sets of the change of a metric's mean from static fusion, and the share
      of all these changes that are for the better: of those of a tenth of a per cent or more, None
      if there are none.
    """
    static = {
        (r["pass"], r["dataset"]): r["measures"] for r in rows if r["weighing"] == STATIC.name
    }
    changes = {}
    for row in rows:
        base = static[row["pass"], row["dataset"]]
        if row["weighing"] != STATIC.name:
            own = changes.setdefault((row["pass"], row["weighing"]), {})
            for name, metric in metrics.METRICS.items():
                pair = [of[name]["mean"] for of in (row["measures"], base) if name in of]
                if len(pair) == 2 and np.isfinite(pair).all() and pair[1]:
                    merit, before = map(metric.merit, pair)
                    change = 100 * (pair[0] / pair[1] - 1)
                    own.setdefault(name, []).append((change, merit > before))
    return [
        {
            "network": network,
            "weighing": weighing,
            "datasets": max(map(len, own.values())),
            "changes": {n: float(np.mean([c for c, _ in pairs])) for n, pairs in own.items()},
            "better": _better(own),
        }
        for (network, weighing), own in changes.items()
    ]


def _rows(study, one, dataset, records):
    columns = {
        weighing.name: {
            measure: [record["measures"][weighing.name][measure] for record in records]
            for measure in records[0]["measures"][weighing.name]
        }
        for weighing in one.weighings
    }
    scores = {
        name: {measure: v for measure, v in column.items() if measure in metrics.METRICS}
        for name, column in columns.items()
    }
    gains = paired_differences(scores, STATIC.name) if STATIC.name in scores else {}
    rows = []
    for weighing in one.weighings:
        column = dict(columns[weighing.name])
        channels = column.pop("channel", [-1.0])
        row = {
            "pass": one.name,
            "dataset": dataset,
            "weighing": weighing.name,
            "curve": weighing.curve or weighing.name,
            "coordinate": one.coordinate if weighing.coordinate is None else weighing.coordinate,
            "count": len(records),
            "measures": {k: estimate(v) for k, v in column.items()},
        }
        if "covariance" in column:
            row["negative_covariance"] = _share(v < 0 for v in column["covariance"])
        if "bound" in column:
            pairs = zip(column["bound"], columns[STATIC.name]["bound"], strict=True)
            row["lower_bound_than_static"] = _share(own < static for own, static in pairs)
            row["pooled_bound"] = _pooled([r["moments"][weighing.name] for r in records])
        if max(channels) >= 0:
            row["channels"] = [int(channel) for channel in channels]
        if weighing.name in gains:
            row["gains"] = gains[weighing.name]
        figures = study.published.get((one.name, weighing.name))
        if figures is not None:
            row["published"] = dict(figures)
        rows.append(row)
    return rows


def _pooled(moments):
    """The bound of a data set taken as one image, see `ttd_jax.core.theory.pool_moments`."""
    stacked = Moments(**{k: jnp.array([m[k] for m in moments]) for k in moments[0]})
    pooled = bound_from_moments(pool_moments(stacked))
    return {k: np.asarray(v).tolist() for k, v in dataclasses.asdict(pooled).items()}


def _better(changes):
    told = [better for pairs in changes.values() for change, better in pairs if abs(change) >= 0.1]
    return _share(told) if told else None


def _share(answers):
    answers = list(answers)
    return sum(answers) / len(answers)
