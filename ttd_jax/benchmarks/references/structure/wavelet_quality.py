"""Qm."""

from collections.abc import Sequence

import numpy as np


def wavelet_quality(fused: np.ndarray, sources: Sequence[np.ndarray]) -> float:
    """Qm: details of a Haar transform that are kept, level by level."""
    pictures = [fused, *sources]
    product = 1.0
    for power in (2 / 3, 1 / 3):
        bands = [_haar(picture) for picture in pictures]
        pictures = [band[0] for band in bands]
        above = below = 0.0
        for band in bands[1:]:
            kept = np.sum(np.exp(-np.abs(band[1:] - bands[0][1:])), axis=0)
            weight = np.sum(band[1:] ** 2, axis=0)
            above, below = above + np.sum(kept * weight), below + np.sum(weight)
        product *= (above / below) ** power if below > 0 else np.nan
    return float(product)


def _haar(picture):
    """The average and three bands of detail of blocks of 2x2; an odd side's last is left out."""
    height, width = (side // 2 for side in picture.shape)
    blocks = picture[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    signs = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)
    return np.einsum("ai,bj,yixj->abyx", signs, signs, blocks).reshape(4, height, width)
