"""Pictures that show whether two others line up, and what a warp changed."""

from collections.abc import Sequence

import cv2
import numpy as np

from ttd_jax.report.caption import legend, titled
from ttd_jax.report.palette import ORANGE, SKY_BLUE, rgb
from ttd_jax.report.sheet import grid

_FIRST, _SECOND, _BOTH = rgb(ORANGE), rgb(SKY_BLUE), (255, 255, 255)
_DIMMED = 0.4  # of the picture's brightness is left below edges: they must show on white
_SMOOTH = 1.5  # standard deviation in pixels, before edges are taken
# Shares of the pixels that are less steep than where an edge begins and where it goes on.
_BEGINS, _GOES_ON = 0.93, 0.85
_FAINT = 2.0  # gray levels a pixel, less is noise
_BRIGHT = 0.98  # of the values are shown no brighter than white
_NARROWEST, _WIDEST, _TALLEST = 400, 980, 1400  # pixels of a cell
_SQUARES = 8  # along the shorter side


def checkerboard(first: np.ndarray, second: np.ndarray, side: int) -> np.ndarray:
    """Squares of two pictures in turn: lines break at their borders where the two do not line up.

    Args:
      first: u8[H, W] or u8[H, W, 1 or 3], whose square is in the upper left corner.
      second: of the same height and width.
      side: of a square, in pixels.

    Returns:
      u8[H, W, 3], RGB.
    """
    row, column = (np.arange(length) // side for length in first.shape[:2])
    odd = (row[:, None] + column) % 2 == 1
    return np.where(odd[..., None], _colored(second), _colored(first))


def edges_over(
    first: np.ndarray, second: np.ndarray, where: np.ndarray | None = None
) -> np.ndarray:
    """The edges of two pictures over the first one's gray.

    Those of the first are orange, of the second blue, and white where both run within a pixel of
    one another: pictures that line up are white, others have each line twice.

    Args:
      first: u8[H, W] or u8[H, W, 1 or 3].
      second: of the same height and width.
      where: bool[H, W], where the second has data; None for everywhere.

    Returns:
      u8[H, W, 3], RGB.
    """
    one, other = _edges(first), _edges(second)
    if where is not None:
        inside = cv2.erode(np.uint8(where), np.ones((5, 5), np.uint8), borderValue=1)
        other &= inside > 0  # where data end there is no edge
    near_one, near_other = (
        cv2.dilate(np.uint8(e), np.ones((3, 3), np.uint8)) for e in (one, other)
    )
    picture = np.uint8(_DIMMED * _colored(_gray(first)))
    picture[one], picture[other] = _FIRST, _SECOND
    picture[(one & (near_other > 0)) | (other & (near_one > 0))] = _BOTH
    return picture


def alignment_sheet(
    reference: np.ndarray,
    before: np.ndarray,
    after: np.ndarray | None = None,
    has_data: np.ndarray | None = None,
    *,
    labels: Sequence[str] = ("reference", "source"),
) -> np.ndarray:
    """A source against the reference, as it was above and warped below.

    Dark pictures are brightened.

    Args:
      reference: u8[H, W] or u8[H, W, 1 or 3].
      before: the source as it was, of any size.
      after: the source warped, of the reference's size; None where it is as it was.
      has_data: bool[H, W], where the warped one has data; its squares are white elsewhere.
      labels: of the reference and of the source.

    Returns:
      u8[H', W', 3], RGB, at most 2000 pixels wide: checkerboards on the left, edges on the right, a
      legend below.
    """
    height, width = reference.shape[:2]
    scale = min(max(1, _NARROWEST / width), _WIDEST / width, _TALLEST / height)
    size = max(1, round(scale * width)), max(1, round(scale * height))
    reference, before = (_brightened(_resized(each, size)) for each in (reference, before))
    side = max(8, min(size) // _SQUARES)
    squares = checkerboard(reference, before, side)
    rows = [[("before", squares), ("", edges_over(reference, before))]]
    if after is not None:
        after = _brightened(_resized(after, size))
        has_data = cv2.resize(np.uint8(has_data), size, interpolation=cv2.INTER_NEAREST) > 0
        blanked = np.where(has_data[..., None], _colored(after), 255)
        squares = checkerboard(reference, blanked, side)
        caption = "after" if has_data.all() else "after; white where it has no data"
        rows.append([(caption, squares), ("", edges_over(reference, after, has_data))])
    letters = max(15, size[0] // 35)
    sheet = grid([[_cell(*captioned, letters) for captioned in row] for row in rows])
    lines = [
        (_swatch(_FIRST), f"edges of {labels[0]}"),
        (_swatch(_SECOND), f"edges of {labels[1]}"),
        (_swatch(_BOTH), "edges of both"),
    ]
    return np.concatenate([sheet, legend(lines, sheet.shape[1], size=letters)])


def _gray(picture):
    if picture.ndim == 3 and picture.shape[2] == 3:
        return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return picture.reshape(picture.shape[:2])


def _colored(picture):
    picture = picture.reshape(*picture.shape[:2], -1)
    return np.broadcast_to(picture, (*picture.shape[:2], 3))


def _edges(picture):
    """bool[H, W]: lines one pixel wide."""
    smooth = cv2.GaussianBlur(_gray(picture), (0, 0), _SMOOTH)
    slopes = [cv2.Sobel(smooth, cv2.CV_16S, *axis) for axis in ((1, 0), (0, 1))]
    steep = np.hypot(*np.float32(slopes))
    high, low = np.maximum(np.quantile(steep, (_BEGINS, _GOES_ON)), 8 * _FAINT)
    return cv2.Canny(*slopes, low, high, L2gradient=True) > 0


def _resized(picture, size):
    smaller = size[0] < picture.shape[1]
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(picture, size, interpolation=method)


def _brightened(picture):
    """A night as bright as its lights allow."""
    most = max(1.0, np.quantile(picture, _BRIGHT))
    return np.uint8(np.minimum(picture * (255 / most), 255)) if most < 255 else picture


def _cell(caption, picture, letters):
    room = max(_NARROWEST, picture.shape[1]) - picture.shape[1]
    padded = np.pad(picture, ((0, 0), (0, room), (0, 0)), constant_values=255)
    return titled(padded, caption, height=letters + 9, size=letters)


def _swatch(color):
    """A line of a color on dark."""
    dark = (40, 40, 40)
    return np.array([[dark], [color], [dark]], np.uint8)
