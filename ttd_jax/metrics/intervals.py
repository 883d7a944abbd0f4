"""Means over images with their uncertainty. Float64, on the host."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ttd_jax.metrics import METRICS

_RESAMPLES = 2000
_SEED = 20241210


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over images.

    Attributes:
      mean: of the values.
      std: sample standard deviation (n - 1); 0 for one value.
      low, high: bootstrap 95 % interval of the mean (percentiles); the mean itself for one value.
      count: number of images.
    """

    mean: float
    std: float
    low: float
    high: float
    count: int


def estimate(values: ArrayLike) -> Estimate:
    """The mean of f64[n] with a 95 % percentile bootstrap interval, the same at every call.

    Reference: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    values = np.asarray(values, np.float64)
    mean = float(values.mean())
    if len(values) == 1:
        return Estimate(mean, 0.0, mean, mean, 1)
    picks = np.random.default_rng(_SEED).integers(len(values), size=(_RESAMPLES, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), [2.5, 97.5])
    return Estimate(mean, float(values.std(ddof=1)), float(low), float(high), len(values))


def paired_difference(values: ArrayLike, baseline: ArrayLike, *, better: str) -> dict:
    """How much `values` differ from `baseline` on the same images.

    Args:
      values: f64[n].
      baseline: f64[n], in the same order.
      better: 'up' or 'down'.

    Returns:
      The fields of an `Estimate` of the difference, and `improved`: the share of images on which
      `values` are strictly better.
    """
    difference = np.asarray(values, np.float64) - np.asarray(baseline, np.float64)
    gain = difference if better == "up" else -difference
    return {**dataclasses.asdict(estimate(difference)), "improved": float(np.mean(gain > 0))}


def estimates(columns: Mapping[str, Mapping[str, Sequence[float]]]) -> dict:
    """The fields of an `Estimate` for each result and metric.

    Args:
      columns: result (a strategy, a method) -> metric -> a score an image.
    """
    return {
        result: {name: dataclasses.asdict(estimate(scores)) for name, scores in column.items()}
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
