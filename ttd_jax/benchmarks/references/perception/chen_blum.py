"""Qcb in float64 NumPy and SciPy."""

from collections.abc import Sequence

import numpy as np
import scipy.fft
from scipy import ndimage

from ttd_jax.benchmarks.references.perception.stretch import stretched


def contrast_preservation(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    stretch: str = "rounded",
    degrees: float = 15.0,
    guard: float = 0.0,
) -> float:
    """The masked contrast of the sources that the fused picture keeps, weighted by it."""
    pictures = np.stack([stretched(picture, stretch) for picture in (fused, *sources)])
    rows, columns = pictures.shape[-2:]
    waves = np.hypot(
        scipy.fft.fftfreq(rows, 1 / rows)[:, None], scipy.fft.rfftfreq(columns, 1 / columns)
    )
    cycles = waves / degrees
    sensitivity = np.exp(-((cycles / 15.3870) ** 2)) - 0.7622 * np.exp(-((cycles / 1.3456) ** 2))
    seen = scipy.fft.irfft2(scipy.fft.rfft2(pictures) * sensitivity, s=(rows, columns))
    with np.errstate(divide="ignore", invalid="ignore"):
        contrast = np.abs(_blur(seen, 2.0) / (_blur(seen, 4.0) + guard) - 1)
        masked = contrast**3 / (contrast**2 + 1e-4)
        kept = np.minimum(masked[:1], masked[1:]) / np.maximum(masked[:1], masked[1:])
        saliency = masked[1:] ** 2
        weights = saliency / (saliency.sum(axis=0) + guard)
        return float(np.mean(np.sum(weights * kept, axis=0)))


def _blur(pictures, sigma):
    taps = np.exp(-(np.arange(-15, 16) ** 2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
    rows = ndimage.convolve1d(pictures, taps, axis=-2, mode="constant")
    return ndimage.convolve1d(rows, taps, axis=-1, mode="constant")
