"""Qabf, Qg."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.benchmarks.references.windows import sobel


def edges(image: np.ndarray, border: str, angles: str) -> tuple[np.ndarray, np.ndarray]:
    """Strength and angle of the edges."""
    sx, sy = sobel(image, border)
    sy = -sy  # rows count down
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = np.arctan(sy / sx)
    upright = np.pi / 2 if angles in ("lines", "pi/2") else np.sign(sy) * np.pi / 2
    return np.hypot(sx, sy), np.where(sx == 0, upright, angle)


def parallelism(first: np.ndarray, second: np.ndarray, angles: str) -> np.ndarray:
    """Of edges at these angles."""
    if angles.startswith("lines"):
        return np.abs(np.abs(first - second) - np.pi / 2) / (np.pi / 2)
    return 1 - np.abs(first - second) / (np.pi / 2)


def ratio(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of the weaker to the stronger."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    return np.divide(low, high, out=np.zeros_like(low), where=high > 0)


def sigmoid(x: np.ndarray, height: float, slope: float, middle: float) -> np.ndarray:
    """Up to its height."""
    with np.errstate(over="ignore"):
        return height / (1 + np.exp(-slope * (x - middle)))


def edge_preservation(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    border: str = "edge",
    angles: str = "lines",
    equal: str = "ratio",
) -> float:
    """Edge transfer."""
    strength_f, angle_f = edges(fused, border, angles)
    above = below = 0.0
    for source in sources:
        strength, angle = edges(source, border, angles)
        relative = ratio(strength, strength_f)
        if equal == "strength":
            relative = np.where(strength == strength_f, strength, relative)
        kept = sigmoid(relative, 0.9994, 15, 0.5)
        kept = kept * sigmoid(parallelism(angle, angle_f, angles), 0.9879, 22, 0.8)
        above, below = above + np.sum(kept * strength), below + np.sum(strength)
    return above / below if below > 0 else 0.0


def mean_edge_preservation(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    strength: tuple[float, float, float] = (1.0, 10.0, 0.5),
    orientation: tuple[float, float, float] = (1.0, 20.0, 0.75),
) -> float:
    """Mean of the edge transfer at each pixel."""
    strength_f, angle_f = edges(fused, "constant", "lines x")
    above = below = 0.0
    for source in sources:
        own, angle = edges(source, "constant", "lines x")
        flat = (own == 0) & (strength_f == 0)
        kept = sigmoid(np.where(flat, 1, ratio(own, strength_f)), *strength)
        kept = kept * sigmoid(parallelism(angle, angle_f, "lines x"), *orientation)
        own = np.where(own == 0, 1e-5, own)
        above, below = above + kept * own, below + own
    return float(np.mean(above / below))
