"""Qncie: how alike all pictures are together, in float64 NumPy."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.benchmarks.references.information.levels import shared_bits


def nonlinear_correlation_entropy(
    fused: np.ndarray, sources: Sequence[np.ndarray], *, of: str = "information"
) -> float:
    """One plus the entropy of the eigenvalues of the pictures' correlations, base 256."""
    pictures = [*sources, fused]
    constant = [picture.min() == picture.max() for picture in pictures]
    if of == "pearson":
        if any(constant):
            return np.nan
        matrix = np.corrcoef([picture.ravel() for picture in pictures])
    else:
        if any(c and picture.max() > 0 for c, picture in zip(constant, pictures, strict=True)):
            return np.nan
        matrix = np.eye(len(pictures))
        for i, first in enumerate(pictures):
            for j, second in enumerate(pictures[:i]):
                matrix[i, j] = matrix[j, i] = shared_bits(first, second) / 8
    shares = np.linalg.eigvalsh(matrix) / len(pictures)
    if of == "pearson" and shares.min() <= 1e-6:
        return np.nan
    shares = shares[shares > 0]
    return float(1 + np.sum(shares * np.log2(shares)) / 8)
