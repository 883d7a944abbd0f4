"""AG, EI, SF."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.benchmarks.references.windows import sobel


def average_gradient(
    fused: np.ndarray, sources: Sequence[np.ndarray], *, over: str = "pixels"
) -> float:
    """Average gradient."""
    squares = np.zeros(fused.shape)
    for axis in (0, 1):
        if fused.shape[axis] > 1:
            squares += np.gradient(fused, axis=axis) ** 2
    total = np.sum(np.sqrt(squares / 2))
    if over == "interior":
        return total / np.prod([max(side - 1, 1) for side in fused.shape])
    return total / fused.size


def edge_intensity(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    scale: float = 0.25,
    border: str = "edge",
) -> float:
    """Edge intensity."""
    return scale * np.mean(np.hypot(*sobel(fused, border)))


def spatial_frequency(
    fused: np.ndarray, sources: Sequence[np.ndarray], *, over: str = "differences"
) -> float:
    """Spatial frequency."""
    total = 0.0
    for axis in (0, 1):
        squares = np.diff(fused, axis=axis) ** 2
        if squares.size:
            total += squares.sum() / fused.size if over == "pixels" else squares.mean()
    return np.sqrt(total)
