"""FMI."""

from collections.abc import Sequence

import numpy as np
from scipy import fft, integrate, signal

from ttd_jax.benchmarks.references.windows import sobel

_CHUNK = 2048  # windows at a time: their joint distributions fit into a cache


def feature_mutual_information(
    fused: np.ndarray, sources: Sequence[np.ndarray], *, feature: str = "edge"
) -> float:
    """Feature mutual information."""
    make = _FEATURES[feature]
    maps = [make(image) for image in (fused, *sources)]
    if min(maps[0].shape) < 3:
        return np.nan
    own, *others = (_windows(image) for image in maps)
    return np.mean([_scores(other, own) for other in others])


def _edge(image):
    along_x, along_y = (derivative / 8 for derivative in sobel(image))
    strength = along_x**2 + along_y**2
    around = np.pad(strength, 1)
    left, right = around[1:-1, :-2], around[1:-1, 2:]
    above, below = around[:-2, 1:-1], around[2:, 1:-1]
    weak = 100 * np.finfo(float).eps
    along_x, along_y = np.abs(along_x), np.abs(along_y)
    ridge = (along_x >= along_y - weak) & (strength >= left) & (strength > right)
    ridge |= (along_y >= along_x - weak) & (strength >= above) & (strength > below)
    return (ridge & (strength > 4 * np.mean(strength))).astype(float)


def _gradient(image):
    return np.gradient(image, axis=1) if image.shape[1] > 1 else np.zeros_like(image)


def _cosine(image):
    mean = np.mean(image)
    coefficients = fft.dctn(image - mean, norm="ortho")
    coefficients[0, 0] += mean * np.sqrt(image.size)
    return coefficients


def _wavelet(image):
    frequency = np.linspace(0, np.pi, 20001)
    ramp = np.clip(3 * frequency / np.pi - 1, 0, 1)
    response = np.cos(np.pi / 2 * ramp**4 * (35 - 84 * ramp + 70 * ramp**2 - 20 * ramp**3))
    waves = np.cos(np.arange(-50, 51)[:, None] * frequency)
    low = integrate.simpson(response * waves, x=frequency)
    low = np.concatenate([[0.0], low * np.sqrt(2) / low.sum()])
    high = low[::-1].copy()
    high[::2] *= -1

    def half(image, taps, axis):
        margins = [(101, 101) if a == axis else (0, 0) for a in (0, 1)]
        found = signal.upfirdn(taps, np.pad(image, margins, mode="symmetric"), axis=axis)
        inside = slice(102, image.shape[axis] + 202, 2)
        return found[inside] if axis == 0 else found[:, inside]

    left, right = (half(image, taps, 0) for taps in (low, high))
    bands = [[half(side, taps, 1) for side in (left, right)] for taps in (low, high)]
    bands = np.block(bands)
    return (bands - bands.min()) / (np.ptp(bands) or 1)


_FEATURES = {
    "edge": _edge,
    "none": np.asarray,
    "gradient": _gradient,
    "dct": _cosine,
    "wavelet": _wavelet,
}


def _windows(image):
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3))
    return np.swapaxes(windows, -1, -2).reshape(-1, 9)


def _scores(sources, fused):
    """Of all windows [N, 9]."""
    starts = range(0, len(fused), _CHUNK)
    return np.concatenate([_shared(*(x[i : i + _CHUNK] for x in (sources, fused))) for i in starts])


def _shared(source, fused):
    p, q = _probabilities(source), _probabilities(fused)
    r = _correlation(p, q, flat=(np.ptp(source, axis=1) == 0) | (np.ptp(fused, axis=1) == 0))
    column, row = np.cumsum(p, axis=1)[:, None], np.cumsum(q, axis=1)[:, :, None]
    rising = (r >= 0)[:, None, None]
    bound = np.where(rising, np.minimum(row, column), np.maximum(row + column - 1, 0))
    excess = np.sum(bound - row * column, axis=(1, 2))
    strength = r * _deviation(p) * _deviation(q)
    known = (strength != 0) & (excess != 0)
    k = np.where(known, strength / np.where(known, excess, 1), 0)[:, None, None]
    extreme = np.diff(np.diff(bound, axis=1, prepend=0), axis=2, prepend=0)
    joint = k * extreme + (1 - k) * q[:, :, None] * p[:, None]
    own = _entropy(p) + _entropy(q)
    information = own - _entropy(joint.reshape(-1, 81))
    score = np.where(own > 0, 2 * information / np.where(own > 0, own, 1), 0)
    return np.where((source == fused).all(axis=1), 1, score)


def _probabilities(windows):
    least, most = windows.min(axis=1, keepdims=True), windows.max(axis=1, keepdims=True)
    scaled = (windows - least) / np.where(most > least, most - least, 1)
    scaled = np.where(most > least, scaled, 1)
    return scaled / scaled.sum(axis=1, keepdims=True)


def _correlation(p, q, flat):
    p, q = p - 1 / 9, q - 1 / 9
    power = np.sum(p * p, axis=1) * np.sum(q * q, axis=1)
    return np.where(flat, 0, np.sum(p * q, axis=1) / np.sqrt(np.where(flat, 1, power)))


def _deviation(p):
    places = np.arange(9)
    return np.sqrt(np.sum(p * (places - (p @ places)[:, None]) ** 2, axis=1))


def _entropy(p):
    size = np.abs(p)
    return -np.sum(p * np.log2(np.where(size > 0, size, 1)), axis=1)
