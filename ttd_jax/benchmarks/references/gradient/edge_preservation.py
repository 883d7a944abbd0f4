"""Qabf."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.benchmarks.references.windows import sobel


def edges(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strength and angle of the edges."""
    sx, sy = sobel(image)
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = np.where(sx == 0, np.pi / 2, np.arctan(sy / sx))
    return np.hypot(sx, sy), angle


def edge_preservation(fused: np.ndarray, sources: Sequence[np.ndarray]) -> float:
    """Edge transfer."""
    strength_f, angle_f = edges(fused)
    above = below = 0.0
    for source in sources:
        strength, angle = edges(source)
        low, high = np.minimum(strength, strength_f), np.maximum(strength, strength_f)
        ratio = np.divide(low, high, out=np.zeros_like(low), where=high > 0)
        parallel = np.abs(np.abs(angle - angle_f) - np.pi / 2) / (np.pi / 2)
        kept = 0.9994 / (1 + np.exp(-15 * (ratio - 0.5)))
        kept = kept * 0.9879 / (1 + np.exp(-22 * (parallel - 0.8)))
        above, below = above + np.sum(kept * strength), below + np.sum(strength)
    return above / below if below > 0 else 0.0
