"""Pictures as the reference sees them, and where they have data there."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from scipy import ndimage

from ttd_jax.align.gray import check_pictures
from ttd_jax.align.transform import Transform, checked_matrix, resizing
from ttd_jax.errors import UserError, blaming, check_choice

CROPS = ("reference", "common")
_SIDE = 1024  # of the areas that are warped at a time: what they need is bounded
_REACH = 24  # pixels beside a place that a spline looks at: further ones weigh less than 1e-12
_REDUCED = 1.5  # source pixels in a reference's side from which they are averaged first


def warp(
    pictures: Sequence[np.ndarray],
    transforms: Sequence[Transform],
    *,
    to: int = 0,
    crop: str = "reference",
) -> tuple[list[np.ndarray], np.ndarray]:
    """Brings the pictures of a scene to the pixels of one of them, each in one interpolation.

    Args:
      pictures: M arrays [H, W] or [H, W, C], u8, u16 or f32, of any sizes.
      transforms: one for each, of `estimate`.
      to: the reference, from 0.
      crop: 'reference': results have the reference's size; 'common': they are cut to the largest
        rectangle where all have data.

    Returns:
      `(warped, has_data)`: the pictures in their own dtypes, of one height and width, by cubic
        splines, what is made smaller averaged over areas first; and bool[M, H, W]. Where a picture
        has no data it repeats its border.

    Raises:
      UserError: no such pictures, reference or transforms, another number of them, an unknown crop,
        or nothing in common.
    """
    check_pictures(pictures, channels=(1, 2, 3, 4))
    check_choice("crop", crop, CROPS)
    if to not in range(len(pictures)):
        raise UserError(f"to={to!r}: there are {len(pictures)} pictures, from 0")
    if len(transforms) != len(pictures):
        raise UserError(f"{len(transforms)} transforms for {len(pictures)} pictures: pass one each")
    size = pictures[to].shape[:2]
    with blaming("transforms", "are not those of estimate"):
        matrices = [checked_matrix(transform.matrix, size) for transform in transforms]
    has_data = np.stack(
        [
            covered(matrix, picture.shape[:2], size)
            for matrix, picture in zip(matrices, pictures, strict=True)
        ]
    )
    rows, columns = common(has_data.all(axis=0)) if crop == "common" else (slice(None),) * 2
    warped = [
        warp_one(picture, matrix, size)[rows, columns].copy()
        for matrix, picture in zip(matrices, pictures, strict=True)
    ]
    return warped, has_data[:, rows, columns]


def warp_one(picture: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture [h, w(, C)] as a reference of `size` (H, W) sees it, in its own dtype.

    Args:
      picture: u8, u16 or f32.
      matrix: f64[3, 3], see `Transform`.
      size: of the reference.
    """
    if np.array_equal(matrix, np.eye(3)) and picture.shape[:2] == size:
        return picture
    planes = picture.reshape(*picture.shape[:2], -1)
    scale = _scale(matrix, size)
    if scale >= _REDUCED:
        reduced = tuple(max(1, round(side / scale)) for side in planes.shape[:2])
        matrix = resizing(reduced, planes.shape[:2]) @ matrix
        planes = cv2.resize(planes, reduced[::-1], interpolation=cv2.INTER_AREA)
        planes = planes.reshape(*reduced, -1)  # OpenCV leaves the axis of a single channel out
    limits = picture.min(), picture.max()
    result = np.empty((*size, planes.shape[2]), picture.dtype)
    for rows, columns in _tiles(size):
        x, y = _places(matrix, rows, columns)
        window, x, y = _window(planes, x, y)
        for channel in range(planes.shape[2]):
            part = ndimage.map_coordinates(
                window[..., channel].astype(np.float64), (y, x), mode="nearest"
            )
            part = np.clip(part, *limits)  # splines overshoot
            if picture.dtype.kind != "f":
                part = np.rint(part)
            result[rows, columns, channel] = part
    return result.reshape(*size, *picture.shape[2:])


def covered(matrix: np.ndarray, size: tuple[int, int], to: tuple[int, int]) -> np.ndarray:
    """bool[H, W]: which pixels of a reference of size `to` a source of `size` has data for."""
    height, width = size
    result = np.empty(to, bool)
    for rows, columns in _tiles(to):
        x, y = _places(matrix, rows, columns)
        inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
        result[rows, columns] = inside
    return result


def common(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of a large rectangle within a mask bool[H, W] without holes.

    Of a rectangle's four sides the one that lacks the most is moved inwards, until none lacks any.

    Raises:
      UserError: there is none.
    """
    rows, columns = [0, mask.shape[0]], [0, mask.shape[1]]
    while rows[0] < rows[1] and columns[0] < columns[1]:
        inner = mask[slice(*rows), slice(*columns)]
        lacking = [1 - line.mean() for line in (inner[0], inner[-1], inner[:, 0], inner[:, -1])]
        worst = int(np.argmax(lacking))
        if not lacking[worst]:
            return slice(*rows), slice(*columns)
        side, end = (rows, columns)[worst // 2], worst % 2
        side[end] += -1 if end else 1
    raise UserError("the pictures have nothing in common: pass --crop=reference")


def _tiles(size) -> Iterator[tuple[slice, slice]]:
    for row in range(0, size[0], _SIDE):
        for column in range(0, size[1], _SIDE):
            bottom, right = min(row + _SIDE, size[0]), min(column + _SIDE, size[1])
            yield slice(row, bottom), slice(column, right)


def _places(matrix, rows, columns):
    """Where the pixels of rows and columns lie in the source: x and y, f64[H, W] each."""
    down, right = np.ogrid[rows, columns]
    x, y, z = (line[0] * right + line[1] * down + line[2] for line in matrix)
    return x / z, y / z


def _window(planes, x, y):
    """The part of a picture that places lie in, and where they do there."""
    slices = []
    for places, side in ((y, planes.shape[0]), (x, planes.shape[1])):
        start = int(np.clip(np.floor(places.min()) - _REACH, 0, side - 1))
        stop = int(np.clip(np.ceil(places.max()) + _REACH + 1, start + 1, side))
        slices.append(slice(start, stop))
    rows, columns = slices
    return planes[rows, columns], x - columns.start, y - rows.start


def _scale(matrix, size):
    """How many of the source's pixels lie along the side of a reference's pixel in its middle."""
    row, column = (side // 2 for side in size)
    x, y = _places(matrix, slice(row, row + 2), slice(column, column + 2))
    jacobian = [[x[0, 1] - x[0, 0], x[1, 0] - x[0, 0]], [y[0, 1] - y[0, 0], y[1, 0] - y[0, 0]]]
    return float(np.sqrt(abs(np.linalg.det(jacobian))))
