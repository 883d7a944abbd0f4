"""SD."""

from collections.abc import Sequence

import numpy as np


def standard_deviation(fused: np.ndarray, sources: Sequence[np.ndarray]) -> float:
    """Standard deviation."""
    return np.std(fused)
