"""Histograms of whole grays in float64 NumPy, one picture or two, and their entropies."""

import numpy as np


def probabilities(picture: np.ndarray) -> np.ndarray:
    """Of each gray of a picture [H, W], [256]."""
    return np.bincount(picture.astype(int).ravel(), minlength=256) / picture.size


def joint_probabilities(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of each pair of grays of two pictures [H, W], [256, 256]."""
    pairs = 256 * first.astype(int) + second.astype(int)
    return np.bincount(pairs.ravel(), minlength=256 * 256).reshape(256, 256) / first.size


def bits(p: np.ndarray) -> float:
    """Entropy of probabilities; zeros count for nothing."""
    p = p[p > 0]
    return float(-np.sum(p * np.log2(p)))


def shared_bits(first: np.ndarray, second: np.ndarray) -> float:
    """Mutual information of two pictures."""
    joint = joint_probabilities(first, second)
    return bits(joint.sum(axis=1)) + bits(joint.sum(axis=0)) - bits(joint)


def stretched(picture: np.ndarray) -> np.ndarray:
    """A picture [H, W], its darkest gray at 0 and its brightest at 255, whole grays.

    A picture of zeros as it is, NaN for any other constant one.
    """
    darkest, brightest = picture.min(), picture.max()
    if brightest == darkest:
        return picture if brightest == 0 else picture * np.nan
    return np.floor(255 * (picture - darkest) / (brightest - darkest) + 0.5)
