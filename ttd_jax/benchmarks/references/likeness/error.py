"""MSE, RMSE, PSNR."""

from collections.abc import Sequence

import numpy as np


def mean_squared_error(
    fused: np.ndarray, sources: Sequence[np.ndarray], *, scale: float = 1.0
) -> float:
    """Mean squared error, mean over the sources."""
    return np.mean([np.mean((scale * fused - scale * source) ** 2) for source in sources])


def mean_norm(fused: np.ndarray, sources: Sequence[np.ndarray]) -> float:
    """Root of the sum of squares, not of their mean, over the number of pixels."""
    return np.mean([np.sqrt(np.sum((fused - source) ** 2)) / fused.size for source in sources])


def root_mean_squared_error(
    fused: np.ndarray, sources: Sequence[np.ndarray], *, error: str = "squared"
) -> float:
    """Its root."""
    if error == "norm":
        return mean_norm(fused, sources)
    return np.sqrt(mean_squared_error(fused, sources))


def psnr(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    peak: float | None = None,
    error: str = "squared",
    scale: float = 1.0,
) -> float:
    """Peak signal-to-noise ratio, in dB; within [-100, 100] by the fused image's own peak."""
    if error == "norm":
        power = scale * mean_norm(fused, sources)
    else:
        power = mean_squared_error(fused, sources, scale=scale)
    if peak is not None:
        return 20 * np.log10(peak / np.sqrt(power)) if power else np.nan
    square = (scale * fused.max()) ** 2
    if power == 0:
        return 100.0
    return np.clip(10 * np.log10(square / power), -100, 100) if square > 0 else -100.0
