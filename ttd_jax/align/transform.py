"""Where a source shows what the reference does."""

import dataclasses

import numpy as np

# From the fewest degrees of freedom to the most: 2, 4, 6 and 8.
MODELS = ("translation", "similarity", "affine", "homography")
IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

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
