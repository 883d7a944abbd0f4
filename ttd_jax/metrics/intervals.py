"""Means over images with their uncertainty. Float64, on the host."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ttd_jax.metrics import METRICS

_RESAMPLES = 2000
_SEED = 20241210


def estimate(values: Sequence[float | None]) -> dict[str, float | None]:
    """The mean of f64[n] with a 95 % percentile bootstrap interval, the same at every call.

    Returns:
      `mean`; `std`, the sample standard deviation (n - 1); `low` and `high`, the interval of the
      mean; `count`, n. One value says nothing of either: `std`, `low` and `high` are None. So they
      are where a value is no number, and the mean is NaN.

    Reference: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    values, count = np.asarray(values, np.float64), len(values)
    mean = float(values.mean()) if np.isfinite(values).all() else math.nan
    if count == 1 or math.isnan(mean):
        return {"mean": mean, "std": None, "low": None, "high": None, "count": count}
    picks = np.random.default_rng(_SEED).integers(count, size=(_RESAMPLES, count))
    low, high = map(float, np.percentile(values[picks].mean(axis=1), [2.5, 97.5]))
    std = float(values.std(ddof=1))
    return {"mean": mean, "std": std, "low": low, "high": high, "count": count}


def paired_difference(
    values: Sequence[float | None], baseline: Sequence[float | None], *, better: str
) -> dict[str, float | None]:
    """How much `values` differ from `baseline` on the same images.

    Args:
      values: f64[n].
      baseline: f64[n], in the same order.
      better: 'up' or 'down'.

    Returns:
      The `estimate` of the difference, and `improved`: the share of images on which
      `values` are strictly better, None where there is one image only or a value is no number.
    """
    difference = np.asarray(values, np.float64) - np.asarray(baseline, np.float64)
    gain = difference if better == "up" else -difference
    known = len(gain) > 1 and np.isfinite(gain).all()
    improved = float(np.mean(gain > 0)) if known else None
    return {**estimate(difference), "improved": improved}


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
            name: paired_difference(scores, columns[baseline][name], better=METRICS[name].better)
            for name, scores in column.items()
        }
        for result, column in columns.items()
        if result != baseline
    }
