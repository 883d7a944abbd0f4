"""Qo, Qw and Qe: similarity to the sources, weighted by how salient they are."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ttd_jax.benchmarks.references.windows import moments, named, similarity

CONSTANTS = ((1e-6 * 255) ** 2, (1e-6 * 255) ** 2)


def average_quality(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    window: str = "box 8",
    constants: tuple[float, float] = CONSTANTS,
) -> float:
    """Qo."""
    return float(np.mean(_quality(fused, sources, window, constants)[0]))


def weighted_quality(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    of: str = "grays",
    window: str = "box 8",
    constants: tuple[float, float] = CONSTANTS,
) -> float:
    """Qw, of the pictures or of their edges."""
    if of == "edges":
        fused, *sources = (_prewitt(picture) for picture in (fused, *sources))
    quality, salience = _quality(fused, sources, window, constants)
    return float(np.sum(quality * salience) / np.sum(salience))


def edge_dependent_quality(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    alpha: float = 1.0,
    window: str = "box 8",
    constants: tuple[float, float] = CONSTANTS,
) -> float:
    """Qe."""
    options = {"window": window, "constants": constants}
    whole = weighted_quality(fused, sources, **options)
    return whole * weighted_quality(fused, sources, of="edges", **options) ** alpha


def _prewitt(picture):
    kernel = np.repeat([[1.0, 0.0, -1.0]], 3, axis=0)
    along_x = ndimage.correlate(picture, kernel, mode="constant")
    along_y = ndimage.correlate(picture, kernel.T, mode="constant")
    return np.sqrt(along_x**2 + along_y**2)


def _quality(fused, sources, window, constants):
    count = len(sources)
    pairs = [(0, m + 1) for m in range(count)]
    means, variances, covariances = moments([fused, *sources], pairs, named(window, fused))
    flat = sum(variances[1:]) == 0
    saliences = np.stack(variances[1:]) + 0.5 * flat
    weights = saliences / saliences.sum(axis=0)
    quality = sum(
        weights[m]
        * similarity(
            (means[0], means[m + 1]), (variances[0], variances[m + 1]), covariances[m], constants
        )
        for m in range(count)
    )
    return quality, np.max(saliences, axis=0)
