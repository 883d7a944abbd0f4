"""Windows and derivatives of images."""

import contextvars

import numpy as np
from scipy import ndimage

# Whether windows are applied as the definitions write them; separably is the same and much faster.
two_dimensional = contextvars.ContextVar("two_dimensional", default=False)


def sobel(image: np.ndarray, border: str = "edge") -> tuple[np.ndarray, np.ndarray]:
    """Both derivatives by Sobel's kernels; the border as in `np.pad`."""
    mode = {"edge": "nearest", "reflect": "mirror", "constant": "constant"}[border]
    return ndimage.sobel(image, 1, mode=mode), ndimage.sobel(image, 0, mode=mode)


def fitting(size: int, image: np.ndarray) -> int:
    """The largest side of a window, of the parity of `size`, that the image has room for."""
    while size > min(image.shape):
        size -= 2
    return size


def gaussian(size: int, sigma: float) -> np.ndarray:
    """The window's factor along either axis."""
    window = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
    return window / window.sum()


def filtered(image: np.ndarray, window: np.ndarray) -> np.ndarray:
    """'valid' correlation with the outer product of the window with itself."""
    margin = len(window) // 2
    if two_dimensional.get():
        image = ndimage.correlate(image, np.outer(window, window), mode="constant")
    else:
        for axis in (0, 1):
            image = ndimage.correlate1d(image, window, axis=axis, mode="constant")
    inside = slice(margin, -margin or None)
    return image[inside, inside]


def local_statistics(
    first: np.ndarray, second: np.ndarray, window: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Both means, both variances and the covariance under a window."""
    means = filtered(first, window), filtered(second, window)
    return (
        means,
        filtered(first * first, window) - means[0] ** 2,
        filtered(second * second, window) - means[1] ** 2,
        filtered(first * second, window) - means[0] * means[1],
    )
