"""Text on pictures, titles above them and legends below, dark on white."""

from collections.abc import Sequence

import cv2
import numpy as np

_INK = (20, 20, 20)
_BELOW = 7  # pixels from the line that a title stands on to the picture
# Of a legend, in sizes of its letters: the height of a line, the width of a swatch; and the least
# size, in pixels.
_LINE = 1.7
_SWATCH = 3
_LEAST = 8


def write(
    picture: np.ndarray,
    text: str,
    position: tuple[int, int],
    *,
    size: int,
    color: tuple[int, int, int] = _INK,
) -> None:
    """Writes into a picture.

    Args:
      picture: u8[H, W, 3], RGB; changed in place.
      text: one line.
      position: x and y of the left end of the line that it stands on, in pixels.
      size: of the letters, in pixels.
      color: RGB in 0..255.
    """
    cv2.putText(picture, _shown(text), position, color, cv2.FontFace("sans"), size)


def extent(text: str, *, size: int) -> int:
    """The width of a line of text in pixels, in letters of so many."""
    return cv2.getTextSize((0, 0), _shown(text), (0, 0), cv2.FontFace("sans"), size)[2]


def _shown(text):
    """Text without what is left of names that are no UTF-8, where OpenCV crashes."""
    return text.encode("utf-8", "replace").decode()


def white(height: int, width: int) -> np.ndarray:
    """An empty strip, u8[height, width, 3]."""
    return np.full((height, width, 3), 255, np.uint8)


def titled(picture: np.ndarray, title: str, *, height: int, left: int = 0, size: int) -> np.ndarray:
    """A picture u8[H, W, 3] below its title, u8[height + H, W, 3].

    Args:
      picture: RGB.
      title: one line.
      height: of the strip that it stands in, in pixels.
      left: where it begins.
      size: of the letters.
    """
    strip = white(height, picture.shape[1])
    write(strip, title, (left, height - _BELOW), size=size)
    return np.concatenate([strip, picture])


def legend(lines: Sequence[tuple[np.ndarray | None, str]], width: int, *, size: int) -> np.ndarray:
    """A white strip with a line for each kind of color.

    Args:
      lines: `(swatch u8[h, w, 3], text)`, swatches of any size; None for a line of text only.
      width: of the strip, in pixels.
      size: of the letters, in pixels; smaller where a line would not fit.

    Returns:
      u8[H, width, 3].
    """
    while size > _LEAST and any(_end(swatch, text, size) > width for swatch, text in lines):
        size -= 1
    height, gap = round(_LINE * size), _gap(size)
    strip = white(height * len(lines) + gap, width)
    for index, (swatch, text) in enumerate(lines):
        stands = index * height + gap + size  # on this line
        left = gap
        if swatch is not None:
            breadth = round(_SWATCH * size)
            shown = cv2.resize(swatch, (breadth, size), interpolation=cv2.INTER_LINEAR)
            room = strip[stands - size + size // 8 :][:size, left : left + breadth]
            room[...] = shown[: room.shape[0], : room.shape[1]]
            left += breadth + gap
        write(strip, text, (left, stands), size=size)
    return strip


def _gap(size):
    """Around swatches and texts, in pixels."""
    return max(1, round(0.6 * size))


def _end(swatch, text, size):
    """Where a line of a legend ends, in pixels."""
    left = _gap(size) * (1 if swatch is None else 2) + (0 if swatch is None else _SWATCH * size)
    return left + extent(text, size=size)
