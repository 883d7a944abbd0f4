"""MEF-SSIM: similarity to what a fused patch should be. Patch by patch, as it is defined."""

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

EPS = np.finfo(float).eps
WEIGHTS = (0.0448, 0.2856, 0.3001)


def multi_exposure_similarity(fused: np.ndarray, sources: Sequence[np.ndarray]) -> float:
    """MEF-SSIM on grays."""
    powers = np.array(WEIGHTS) / sum(WEIGHTS)
    product = 1.0
    for level, power in enumerate(powers):
        if level:
            fused, *sources = (halved(picture) for picture in (fused, *sources))
        product *= max(np.mean(_quality(fused, sources)), 0.0) ** power
    return float(product)


def halved(picture: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels, each second one; the last of an odd side is repeated."""
    picture = np.pad(picture, [(0, side % 2) for side in picture.shape], mode="edge")
    return (picture[::2, ::2] + picture[1::2, ::2] + picture[::2, 1::2] + picture[1::2, 1::2]) / 4


def _quality(fused, sources):
    side = min(11, *fused.shape)
    side -= 1 - side % 2
    weights = np.exp(-0.5 * ((np.arange(side) - side // 2) / 1.5) ** 2)
    weights = np.outer(weights, weights)
    weights /= weights.sum()
    rows = []
    for start in range(0, fused.shape[0] - side + 1, 16):
        strip = slice(start, start + side + 15)
        rows.append(_strip(fused[strip], [source[strip] for source in sources], side, weights))
    return np.concatenate(rows)


def _strip(fused, sources, side, weights):
    patches = [sliding_window_view(picture, (side, side)) for picture in (fused, *sources)]
    fused, z = patches[0], np.stack(patches[1:])
    z = z - z.mean(axis=(-2, -1), keepdims=True)
    energy = np.linalg.norm(z, axis=(-2, -1)) + 0.001
    lengths = energy - 0.001
    agreement = (np.linalg.norm(z.sum(axis=0), axis=(-2, -1)) + EPS) / (lengths.sum(axis=0) + EPS)
    agreement = np.clip(agreement, EPS, 1 - EPS)
    power = np.minimum(np.tan(np.pi / 2 * agreement), 10)
    shares = (energy / side) ** power + EPS
    shares /= shares.sum(axis=0)
    wanted = np.sum((shares / energy)[..., None, None] * z, axis=0)
    length = np.linalg.norm(wanted, axis=(-2, -1), keepdims=True)
    strongest = energy.max(axis=0)[..., None, None]
    wanted = np.where(length > 0, wanted * strongest / np.where(length > 0, length, 1), wanted)
    wanted = wanted - np.sum(weights * wanted, axis=(-2, -1), keepdims=True)
    fused = fused - np.sum(weights * fused, axis=(-2, -1), keepdims=True)
    constant = (0.03 * 255) ** 2
    variances = [np.sum(weights * x**2, axis=(-2, -1)) for x in (wanted, fused)]
    covariance = np.sum(weights * wanted * fused, axis=(-2, -1))
    return (2 * covariance + constant) / (sum(variances) + constant)
