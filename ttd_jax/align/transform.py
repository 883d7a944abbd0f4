"""Where a source shows what the reference does."""

import dataclasses
from collections.abc import Sequence

import numpy as np

# From the fewest degrees of freedom to the most: 2, 4, 6 and 8.
MODELS = ("translation", "similarity", "affine", "homography")
IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

_MOST = 1e9  # of what matrices have, and one over it the least that is not zero

Matrix = tuple[tuple[float, float, float], ...]


@dataclasses.dataclass(frozen=True)
class Transform:
    """Where a source shows what the reference does, and what speaks for it.

    Attributes:
      matrix: 3x3, from a pixel (x, y, 1) of the reference to the source's, up to a factor. x runs
        to the right and y down from the middle of the first pixel, (0, 0).
      model: one of `MODELS`, or 'none' where the source is left as it is: its matrix is then the
        identity, or brings its size to the reference's.
      before: the measure of likeness without a warp; None where nothing was measured.
      after: the measure with it.
      remark: why the source is left as it is, None where it is not.
    """

    matrix: Matrix = IDENTITY
    model: str = "none"
    before: float | None = None
    after: float | None = None
    remark: str | None = None

    @property
    def array(self) -> np.ndarray:
        """The matrix as f64[3, 3]."""
        return np.array(self.matrix)


def as_matrix(array: np.ndarray) -> Matrix:
    """A f64[3, 3] as `Transform` holds it, the last element one."""
    return tuple(map(tuple, (np.asarray(array, np.float64) / array[2][2]).tolist()))


def checked_matrix(rows: Sequence[Sequence[float]], size: tuple[int, int]) -> np.ndarray:
    """A matrix as f64[3, 3] whose last element is one.

    Args:
      rows: three of three numbers, see `Transform`.
      size: (H, W) of the reference.

    Raises:
      ValueError: they are not, they map everything to a line, or a pixel of the reference to
        infinity.
    """
    if [len(row) for row in rows] != [3, 3, 3] or not np.isfinite(rows).all() or not rows[2][2]:
        raise ValueError("a matrix has three rows of three numbers, the last one not zero")
    matrix = np.array(rows, np.float64) / rows[2][2]
    if np.abs(matrix).max() > _MOST or abs(np.linalg.det(matrix)) < 1 / _MOST:
        raise ValueError("a matrix leaves nothing of the picture")
    bottom, right = size[0] - 1, size[1] - 1
    if min(matrix[2] @ (x, y, 1) for x in (0, right) for y in (0, bottom)) <= 1 / _MOST:
        raise ValueError("a matrix maps some of the picture beyond the horizon")
    return matrix


def resizing(size: tuple[int, int], to: tuple[int, int]) -> np.ndarray:
    """f64[3, 3] from a reference of size `to` to a source of `size`, (H, W), of the same view."""
    y, x = (own / other for own, other in zip(size, to, strict=True))
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def corner_error(one: np.ndarray, other: np.ndarray, size: tuple[int, int]) -> float:
    """The mean distance in pixels between where two f64[3, 3] put the corners of (H, W)."""
    bottom, right = size[0] - 1, size[1] - 1
    corners = np.array([[0, 0, 1], [right, 0, 1], [0, bottom, 1], [right, bottom, 1]]).T
    (first, second) = ((m @ corners)[:2] / (m @ corners)[2] for m in (one, other))
    return float(np.linalg.norm(first - second, axis=0).mean())


@dataclasses.dataclass(frozen=True)
class Registration:
    """The transforms of a scene's sources.

    Attributes:
      to: which source is the reference, from 0.
      sizes: (H, W) of each source as it was found.
      transforms: one for each.
    """

    to: int
    sizes: tuple[tuple[int, int], ...]
    transforms: tuple[Transform, ...]
