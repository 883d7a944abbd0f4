"""Qy."""

import itertools
from collections.abc import Sequence

import numpy as np

from ttd_jax.benchmarks.references.windows import moments, named, similarity


def yang_quality(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    window: str = "gaussian 7/1.5",
    constants: tuple[float, float] = (2e-16, 2e-16),
    agree: float = 0.75,
    black: str = "count",
) -> float:
    """Qy: weighted similarities where the sources agree, the larger one where they do not."""
    count = len(sources)
    pairs = [(0, m + 1) for m in range(count)]
    pairs += [(m + 1, n + 1) for m, n in itertools.combinations(range(count), 2)]
    means, variances, covariances = moments([fused, *sources], pairs, named(window, fused))
    values = [
        similarity((means[i], means[j]), (variances[i], variances[j]), covariance, constants)
        for (i, j), covariance in zip(pairs, covariances, strict=True)
    ]
    kept, among = values[:count], values[count:]
    total = sum(variances[1:])
    known = total > 0
    weighted = sum(
        np.where(known, variance / np.where(known, total, 1), 1 / count) * value
        for variance, value in zip(variances[1:], kept, strict=True)
    )
    if black == "skip":
        weighted[~known & (np.max(means[1:], axis=0) == 0)] = np.nan
    alike = np.min(among, axis=0) >= agree if among else np.full(weighted.shape, True)
    quality = np.where(alike, weighted, np.max(kept, axis=0))
    return float(np.nanmean(quality)) if not np.isnan(quality).all() else np.nan
