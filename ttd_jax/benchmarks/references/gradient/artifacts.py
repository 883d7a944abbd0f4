"""Nabf."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage


def added_artifacts(
    fused: np.ndarray, sources: Sequence[np.ndarray], *, weak: float = 0.001
) -> float:
    """Weighted loss of edges where the fused picture's edge is the strongest of all."""
    strength_f, angle_f = _edges(fused)
    added = np.ones(fused.shape, bool)
    lost = total = 0.0
    for source in sources:
        strength, angle = _edges(source)
        added &= strength_f > strength
        low, high = np.minimum(strength, strength_f), np.maximum(strength, strength_f)
        ratio = np.divide(low, high, out=np.zeros_like(low), where=high > 0)
        parallel = np.abs(np.abs(angle - angle_f) - np.pi / 2) * 2 / np.pi
        kept = 0.9999 / (1 + np.exp(-19 * (ratio - 0.5)))
        kept = np.sqrt(kept * 0.9995 / (1 + np.exp(-22 * (parallel - 0.5))))
        weight = np.where(strength >= 2, strength**1.5, weak)
        lost, total = lost + (1 - kept) * weight, total + np.sum(weight)
    return float(np.sum(lost[added]) / total) if total else np.nan


def _edges(picture):
    along_x, along_y = (ndimage.sobel(picture, axis, mode="mirror") / 8 for axis in (1, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = np.arctan(along_x / along_y)
    return np.hypot(along_x, along_y), np.where((along_x == 0) & (along_y == 0), 0, angle)
