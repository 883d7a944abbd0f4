"""Qp in float64 NumPy and SciPy."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ttd_jax.benchmarks.references.gradient.phase_congruency import phase_congruency


def phase_congruency_preservation(
    fused: np.ndarray, sources: Sequence[np.ndarray], *, low_pass: str = "centered"
) -> float:
    """The local correlations of phase congruency and of its two moments, multiplied."""
    fused, *sources = (
        np.stack(phase_congruency(picture, low_pass=low_pass)) for picture in (fused, *sources)
    )
    largest = sources[0]
    for features in sources[1:]:
        largest = np.where(largest[0] > features[0], largest, features)
    masks = [features[0] > 0.1 for features in (*sources, largest)]
    best = np.full(fused.shape, -np.inf)
    for features, mask in zip((*sources, largest), masks, strict=True):
        best = np.maximum(best, np.where(mask, _correlation(features * mask, fused), 0))
    if not masks[-1].any():
        return np.nan
    return float(np.prod(best.sum(axis=(1, 2)) / masks[-1].sum()))


def _correlation(first, second):
    def window(maps):
        for axis in (1, 2):
            maps = ndimage.gaussian_filter1d(maps, 1.5, axis, mode="constant", radius=5)
        return maps

    first_mean, second_mean = window(first), window(second)
    first_variance = window(first**2) - first_mean**2
    second_variance = window(second**2) - second_mean**2
    covariance = window(first * second) - first_mean * second_mean
    return (covariance + 1e-4) / (np.sqrt(np.abs(first_variance * second_variance)) + 1e-4)
