"""Random crops of aligned pictures: where, which way round, and whether there is anything on them.

Pictures are arrays [H, W, C] of one size; whatever is done to one is done to all of them.
"""

from collections.abc import Sequence

import numpy as np


def random_crop(
    pictures: Sequence[np.ndarray], size: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """The same square of every picture, anywhere on it with equal chances.

    Args:
      pictures: [H, W, C] of one size, `size` or more in both directions.
      size: side of the square, in pixels.
      generator: of the place.

    Returns:
      Views [size, size, C].
    """
    height, width = pictures[0].shape[:2]
    top = generator.integers(height - size + 1)
    left = generator.integers(width - size + 1)
    return [picture[top : top + size, left : left + size] for picture in pictures]


def central_crop(pictures: Sequence[np.ndarray], size: int | tuple[int, int]) -> list[np.ndarray]:
    """The same middle of every picture, `size` or (H, W) at most; all of it if `size` is 0."""
    height, width = pictures[0].shape[:2]
    rows, columns = middle_size((height, width), size)
    top, left = (height - rows) // 2, (width - columns) // 2
    return [picture[top : top + rows, left : left + columns] for picture in pictures]


def middle_size(whole: tuple[int, int], size: int | tuple[int, int]) -> tuple[int, int]:
    """(H, W) of the `central_crop` of pictures of a size."""
    sizes = size if isinstance(size, tuple) else (size, size)
    return tuple(min(most or side, side) for most, side in zip(sizes, whole, strict=True))


def random_flip(pictures: Sequence[np.ndarray], generator: np.random.Generator) -> list[np.ndarray]:
    """Mirrors every picture alike: left to right, top to bottom, both or neither."""
    rows, columns = (slice(None, None, -1 if flip else 1) for flip in generator.integers(2, size=2))
    return [picture[rows, columns] for picture in pictures]


def is_low_contrast(gray: np.ndarray, least: float = 0.1) -> bool:
    """Whether a crop shows next to nothing: (p90 - p10) / p90 is below `least`.

    Args:
      gray: any shape, not negative; p10 and p90 are its 10th and 90th percentiles.
      least: 0 accepts everything.

    Reference: what Zhao et al., CDDFuse, CVPR 2023, left out of its training patches.
    """
    low, high = np.percentile(gray, [10, 90])
    return bool(high - low < least * high) or (least > 0 and high <= 0)
