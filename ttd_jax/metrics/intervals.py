"""Means over images with their uncertainty. Float64, on the host."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ttd_jax.metrics import METRICS

_RESAMPLES = 2000
_SEED = 20241210


def estimate(values: Sequence[float | None]) -> dict[str, float | None]:
    """The mean of f64[n] with a 95 % percentile bootstrap interval, the same at every call.

    Values that are no numbers, where a metric is undefined, are left out and counted.

    Returns:
      `mean`, NaN where nothing is left; `std`, the sample standard deviation (count - 1); `low` and
      `high`, the interval of the mean; `count` of the numbers, and `undefined`, that of the others.
      One value says nothing of its spread: `std`, `low` and `high` are None.

    Reference: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    every = np.asarray(values, np.float64)
    values = every[np.isfinite(every)]
    count = len(values)
    mean = float(values.mean()) if count else math.nan
    std = low = high = None
    if count > 1:
        picks = np.random.default_rng(_SEED).integers(count, size=(_RESAMPLES, count))
        low, high = map(float, np.percentile(values[picks].mean(axis=1), [2.5, 97.5]))
        std = float(values.std(ddof=1))
    undefined = len(every) - count
    spread = {"std": std, "low": low, "high": high}
    return {"mean": mean, **spread, "count": count, "undefined": undefined}


def paired_difference(
    values: Sequence[float | None],
    baseline: Sequence[float | None],
    *,
    merit: Callable[[np.ndarray], np.ndarray],
) -> dict[str, float | str | None]:
    """How much `values` differ from `baseline` on the same images.

    Args:
      values: f64[n].
      baseline: f64[n], in the same order.
      merit: of the metric, see `Metric`.

    Returns:
      The `estimate` of the difference, of the images on which both are numbers; `improved`: the
      share of these on which `values` are strictly better, None where there are fewer than two;
      `verdict`: 'better' or 'worse', or 'unclear' where the interval of the gain holds zero or
      there is none.
    """
    values, baseline = (np.asarray(v, np.float64) for v in (values, baseline))
    gains = merit(values) - merit(baseline)
    gain, gains = estimate(gains), gains[np.isfinite(gains)]
    verdict, improved = "unclear", None
    if gain["low"] is not None:
        improved = float(np.mean(gains > 0))
        if not gain["low"] <= 0 <= gain["high"]:
            verdict = "better" if gain["low"] > 0 else "worse"
    return {**estimate(values - baseline), "improved": improved, "verdict": verdict}


def estimates(columns: Mapping[str, Mapping[str, Sequence[float]]]) -> dict:
    """The `estimate` of each result and metric.

    Args:
      columns: result (a strategy, a method) -> metric -> a score an image.
    """
    return {
        result: {name: estimate(scores) for name, scores in column.items()}
        for result, column in columns.items()
    }


def paired_differences(columns: Mapping[str, Mapping[str, Sequence[float]]], baseline: str) -> dict:
    """Every other result's paired difference from one of them: result -> metric -> difference.

    Args:
      columns: see `estimates`; the images are in one order everywhere.
      baseline: the result to compare with.
    """
    return {
        result: {
            name: paired_difference(scores, columns[baseline][name], merit=METRICS[name].merit)
            for name, scores in column.items()
        }
        for result, column in columns.items()
        if result != baseline
    }
