"""Qcv in float64 NumPy and SciPy."""

from collections.abc import Sequence

import numpy as np
import scipy.fft
from scipy import ndimage

from ttd_jax.benchmarks.references.perception.stretch import stretched


def perceived_difference(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    stretch: str = "rounded",
    degrees: float = 4.0,
    block: int = 16,
    exponent: float = 5.0,
) -> float:
    """Mean squared difference from the sources as the eye sees it, weighted by their edges."""
    fused, *sources = (stretched(picture, stretch) for picture in (fused, *sources))
    sources = np.stack(sources)
    rows, columns = fused.shape
    cycles = (
        np.hypot(
            scipy.fft.fftfreq(rows, 1 / rows)[:, None], scipy.fft.rfftfreq(columns, 1 / columns)
        )
        / degrees
    )
    sensitivity = 2.6 * (0.0192 + 0.144 * cycles) * np.exp(-((0.144 * cycles) ** 1.1))
    seen = scipy.fft.irfft2(scipy.fft.rfft2(sources - fused) * sensitivity, s=(rows, columns))
    edges = np.hypot(_sobel(sources, -1), _sobel(sources, -2))
    differences = _sums(seen**2, block) / block**2
    saliency = _sums(edges**exponent, block)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.sum(saliency * differences) / np.sum(saliency))


def _sums(maps, block):
    """Over blocks from the top left on; zeros beside."""
    rows, columns = maps.shape[-2:]
    maps = np.pad(maps, ((0, 0), (0, -rows % block), (0, -columns % block)))
    return maps.reshape(len(maps), maps.shape[1] // block, block, -1, block).sum(axis=(2, 4))


def _sobel(maps, axis):
    along = ndimage.correlate1d(maps, [-1, 0, 1], axis, mode="constant")
    return ndimage.correlate1d(along, [1, 2, 1], -3 - axis, mode="constant")
