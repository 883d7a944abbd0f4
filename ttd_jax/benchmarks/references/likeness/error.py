"""MSE, PSNR."""

from collections.abc import Sequence

import numpy as np


def mean_squared_error(fused: np.ndarray, sources: Sequence[np.ndarray]) -> float:
    """Mean squared error, mean over the sources."""
    return np.mean([np.mean((fused - source) ** 2) for source in sources])


def psnr(fused: np.ndarray, sources: Sequence[np.ndarray]) -> float:
    """Peak signal-to-noise ratio, in dB within [-100, 100]."""
    error, peak = mean_squared_error(fused, sources), fused.max() ** 2
    if error == 0:
        return 100.0
    return np.clip(10 * np.log10(peak / error), -100, 100) if peak > 0 else -100.0
