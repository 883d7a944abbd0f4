"""A contact sheet: the sources of each scene beside what became of them."""

import cv2
import numpy as np

_CELL = 300  # pixels, width of a picture
_GAP = 8
_TEXT = 15


def contact_sheet(rows) -> np.ndarray:
    """Puts pictures in rows, each with its caption above it.

    Args:
      rows: lists of `(caption, picture)`, pictures u8 [H, W, 1 or 3] of any size.

    Returns:
      u8[H', W', 3], RGB.
    """
    lines = [[_cell(caption, picture) for caption, picture in row] for row in rows]
    width = max(len(line) for line in lines) * (_CELL + _GAP) + _GAP
    sheet = []
    for line in lines:
        height = max(cell.shape[0] for cell in line) + _GAP
        strip = np.full((height, width, 3), 255, np.uint8)
        for i, cell in enumerate(line):
            left = _GAP + i * (_CELL + _GAP)
            strip[_GAP : _GAP + cell.shape[0], left : left + _CELL] = cell
        sheet.append(strip)
    return np.concatenate([*sheet, np.full((_GAP, width, 3), 255, np.uint8)])


def _cell(caption, picture):
    height = max(1, round(picture.shape[0] * _CELL / picture.shape[1]))
    picture = np.broadcast_to(picture, (*picture.shape[:2], 3))
    small = cv2.resize(picture, (_CELL, height), interpolation=cv2.INTER_AREA)
    title = np.full((24, _CELL, 3), 255, np.uint8)
    cv2.putText(title, caption, (0, 17), (20, 20, 20), cv2.FontFace("sans"), _TEXT)
    return np.concatenate([title, small])
