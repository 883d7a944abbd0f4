"""Qncie."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.benchmarks.references.histograms import stretched
from ttd_jax.benchmarks.references.information.mutual import information


def nonlinear_correlation_entropy(
    fused: np.ndarray, sources: Sequence[np.ndarray], *, stretch: bool = False
) -> float:
    """One plus the entropy, base 256, of the eigenvalues of all images' mutual information."""
    images = [*sources, fused]
    if stretch:
        images = [stretched(image) for image in images]
        if np.isnan(images).any():
            return np.nan
    matrix = np.eye(len(images))
    for i, first in enumerate(images):
        for j, second in enumerate(images[:i]):
            matrix[i, j] = matrix[j, i] = information(first, second) / np.log(256)
    return entropy_of(matrix)


def correlation_entropy(fused: np.ndarray, sources: Sequence[np.ndarray]) -> float:
    """The same of correlations."""
    images = np.stack([*sources, fused])
    if (np.ptp(images, axis=(1, 2)) == 0).any():
        return np.nan
    matrix = np.corrcoef(images.reshape(len(images), -1))
    return entropy_of(matrix) if np.linalg.eigvalsh(matrix).min() > 1e-6 else np.nan


def entropy_of(matrix: np.ndarray) -> float:
    """Of a matrix of correlations [K, K]."""
    shares = np.linalg.eigvalsh(matrix) / len(matrix)
    shares = shares[shares > 0]
    return 1 + np.sum(shares * np.log(shares)) / np.log(256)
