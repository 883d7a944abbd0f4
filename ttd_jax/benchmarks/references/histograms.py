"""Probabilities of grays, of one image and of two."""

import numpy as np


def probabilities(image: np.ndarray) -> np.ndarray:
    """Of each gray, [256]."""
    return np.bincount(image.astype(int).ravel(), minlength=256) / image.size


def joint_probabilities(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of each pair of grays, [256, 256]."""
    edges = np.arange(257) - 0.5
    return np.histogram2d(first.ravel(), second.ravel(), bins=(edges, edges))[0] / first.size


def stretched(image: np.ndarray) -> np.ndarray:
    """An image with its darkest gray at 0 and its brightest at 255, whole grays.

    An image of zeros as it is, NaN for any other constant one.
    """
    darkest, brightest = image.min(), image.max()
    if brightest == darkest:
        return image if brightest == 0 else image * np.nan
    return np.floor(255 * (image - darkest) / (brightest - darkest) + 0.5)


def entropy_nats(p: np.ndarray) -> float:
    """Entropy of probabilities; zeros count for nothing."""
    p = p[p > 0]
    return np.sum(p * np.log(1 / p))
