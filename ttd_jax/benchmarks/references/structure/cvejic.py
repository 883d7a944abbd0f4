"""Qc."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.benchmarks.references.windows import moments, named, similarity


def cvejic_quality(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    window: str = "box 8",
    constants: tuple[float, float] = (2e-16, 2e-16),
    outside: str = "clip",
) -> float:
    """Qc: similarities weighted by the covariances of the sources with the fused picture."""
    count = len(sources)
    pairs = [(0, m + 1) for m in range(count)]
    means, variances, covariances = moments([fused, *sources], pairs, named(window, fused))
    values = np.stack(
        [
            similarity(
                (means[0], means[m]), (variances[0], variances[m]), covariances[m - 1], constants
            )
            for m in range(1, count + 1)
        ]
    )
    covariances = np.stack(covariances)
    total = np.sum(covariances, axis=0)
    covariances = np.where(total < 0, -covariances, covariances)
    varied = (covariances != 0).any(axis=0)
    if outside == "clip":
        shares = np.maximum(covariances, 0)
        sums = np.where(varied, shares.sum(axis=0), 1)
        shares = np.where(varied, shares / sums, 1 / count)
        return float(np.mean(np.sum(shares * values, axis=0)))
    total = np.abs(total)
    quality = np.sum(covariances * values, axis=0) / np.where(total > 0, total, 1)
    quality = np.where(covariances[0] > total, 1, quality)
    quality = np.where(covariances[0] < 0, 0, quality)
    return float(np.mean(quality[varied])) if varied.any() else np.nan
