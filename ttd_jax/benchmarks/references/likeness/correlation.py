"""SCD, CC."""

from collections.abc import Sequence

import numpy as np


def correlate(first: np.ndarray, second: np.ndarray, strict: bool = False) -> float:
    """Correlation of two images; 0 where one of them is constant, strictly NaN."""
    if first.std() < 1e-6 or second.std() < 1e-6:
        return np.nan if strict else 0.0
    return np.corrcoef(first.ravel(), second.ravel())[0, 1]


def sum_of_correlations_of_differences(
    fused: np.ndarray, sources: list[np.ndarray], *, strict: bool = False
) -> float:
    """Sum of the correlations of differences."""
    total = 0.0
    for m, source in enumerate(sources):
        others = sources[:m] + sources[m + 1 :]
        rest = fused - np.mean(others, axis=0) if others else fused
        total += correlate(rest, source, strict)
    return total


def correlation(fused: np.ndarray, sources: Sequence[np.ndarray], *, strict: bool = False) -> float:
    """Correlation coefficient, mean over the sources."""
    return np.mean([correlate(fused, source, strict) for source in sources])
