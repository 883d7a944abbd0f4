"""VIFF: visual information fidelity for fusion."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.benchmarks.references.windows import filtered, fitting, gaussian, moments

SIZES = (17, 9, 5, 3)
WEIGHTS = (1.0, 0.0, 0.15, 1.0)
NOISE = 0.005 * 255**2
TINY = 1e-10


def fusion_information_fidelity(fused: np.ndarray, sources: Sequence[np.ndarray]) -> float:
    """VIFF."""
    pictures, total = [fused, *sources], 0.0
    for scale, (size, weight) in enumerate(zip(SIZES, WEIGHTS, strict=True)):
        if scale:
            window = _window(size, pictures[0])
            pictures = [filtered(picture, window)[::2, ::2] for picture in pictures]
        total += weight * _ratio(pictures, _window(size, pictures[0]))
    return float(total / sum(WEIGHTS))


def _window(size, picture):
    side = fitting(size, picture)
    return gaussian(side, side / 5)


def _ratio(pictures, weights):
    pairs = [(0, m) for m in range(1, len(pictures))]
    _, (var_f, *variances), covariances = moments(pictures, pairs, weights)
    gains, kept, given = [], [], []
    for variance, covariance in zip(variances, covariances, strict=True):
        gain = covariance / (variance + TINY)
        error = var_f - gain * covariance
        flat = variance < TINY
        gain, error = np.where(flat, 0, gain), np.where(flat, var_f, error)
        variance = np.where(flat, 0, variance)
        flat = var_f < TINY
        gain, error = np.where(flat, 0, gain), np.where(flat, 0, error)
        error = np.where(gain < 0, var_f, error)
        gain = np.maximum(gain, 0)
        error = np.maximum(error, TINY)
        gains.append(gain)
        kept.append(np.log10(1 + gain**2 * variance / (error + NOISE)))
        given.append(np.log10(1 + variance / NOISE))
    # the smallest, of equal ones the last
    chosen = len(gains) - 1 - np.argmin(np.stack(gains)[::-1], axis=0)[None]
    kept = np.take_along_axis(np.stack(kept), chosen, 0)
    given = np.take_along_axis(np.stack(given), chosen, 0)
    return np.sum(kept + 1e-7) / np.sum(given + 1e-7)
