"""A contact sheet: the sources of each scene beside what became of them."""

from collections.abc import Sequence

import cv2
import numpy as np

from ttd_jax.report.caption import titled, white

_CELL = 300  # pixels, width of a picture
_GAP = 8


def contact_sheet(rows: Sequence[Sequence[tuple[str, np.ndarray]]]) -> np.ndarray:
    """Puts pictures in rows, each with its caption above it.

    Args:
      rows: lists of `(caption, picture)`, pictures u8 [H, W, 1 or 3] of any size.

    Returns:
      u8[H', W', 3], RGB.
    """
    return grid([[_cell(caption, picture) for caption, picture in row] for row in rows])


def grid(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Pictures u8[H, W, 3] of one width in rows, on white: u8[H', W', 3]."""
    cell = rows[0][0].shape[1]
    width = max(map(len, rows)) * (cell + _GAP) + _GAP
    sheet = []
    for row in rows:
        strip = white(max(picture.shape[0] for picture in row) + _GAP, width)
        for i, picture in enumerate(row):
            left = _GAP + i * (cell + _GAP)
            strip[_GAP : _GAP + picture.shape[0], left : left + cell] = picture
        sheet.append(strip)
    return np.concatenate([*sheet, white(_GAP, width)])


def resize(picture: np.ndarray, width: int) -> np.ndarray:
    """A picture u8[H, W, C] at another width, u8[H', width, C]: pixels are means of areas."""
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return small.reshape(height, width, -1)  # OpenCV drops the axis of gray


def _cell(caption, picture):
    small = resize(picture, _CELL)
    return titled(np.broadcast_to(small, (*small.shape[:2], 3)), caption, height=24, size=15)
