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
    """The largest side of a window that the image has room for; odd where `size` is."""
    step = 1 + size % 2
    while size > min(image.shape):
        size -= step
    return size


def gaussian(size: int, sigma: float) -> np.ndarray:
    """The window's factor along either axis."""
    window = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
    return window / window.sum()


def named(window: str, image: np.ndarray) -> np.ndarray:
    """The factor of 'gaussian SIZE/DEVIATION' or 'box SIZE' that fits the image."""
    kind, numbers = window.split()
    size, _, sigma = numbers.partition("/")
    size = fitting(int(size), image)
    return np.full(size, 1 / size) if kind == "box" else gaussian(size, float(sigma))


def filtered(image: np.ndarray, window: np.ndarray) -> np.ndarray:
    """'valid' correlation with the outer product of the window with itself."""
    first = len(window) // 2
    if two_dimensional.get():
        image = ndimage.correlate(image, np.outer(window, window), mode="constant")
    else:
        for axis in (0, 1):
            image = ndimage.correlate1d(image, window, axis=axis, mode="constant")
    rows, columns = (slice(first, first + side - len(window) + 1) for side in image.shape)
    return image[rows, columns]


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


def moments(
    pictures: list[np.ndarray], pairs: list[tuple[int, int]], window: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Means and variances of pictures, and covariances of pairs of them.

    Exactly 0 where a window is flat, so far as pictures of whole grays go.
    """
    means = [filtered(picture, window) for picture in pictures]
    centers = [np.floor(picture.mean()) for picture in pictures]
    pictures = [picture - center for picture, center in zip(pictures, centers, strict=True)]
    centered_means = [mean - center for mean, center in zip(means, centers, strict=True)]
    variances = [
        cleaned(filtered(picture**2, window) - mean**2)
        for picture, mean in zip(pictures, centered_means, strict=True)
    ]
    covariances = [
        np.where(
            (variances[i] > 0) & (variances[j] > 0),
            filtered(pictures[i] * pictures[j], window) - centered_means[i] * centered_means[j],
            0,
        )
        for i, j in pairs
    ]
    return means, variances, covariances


def cleaned(variance: np.ndarray) -> np.ndarray:
    """A variance with 0 for what is rounding noise."""
    return np.where(variance < 1e-10, 0, variance)


def similarity(
    means: tuple[np.ndarray, np.ndarray],
    variances: tuple[np.ndarray, np.ndarray],
    covariance: np.ndarray,
    constants: tuple[float, float],
) -> np.ndarray:
    """SSIM of two pictures, window by window."""
    c1, c2 = constants
    luminance = (2 * means[0] * means[1] + c1) / (means[0] ** 2 + means[1] ** 2 + c1)
    return luminance * (2 * covariance + c2) / (variances[0] + variances[1] + c2)
