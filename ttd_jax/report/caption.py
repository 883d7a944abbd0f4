"""Text on pictures, titles above them and legends below, dark on white."""

from collections.abc import Sequence

import cv2
import numpy as np

_INK = (20, 20, 20)
# Pixels: from the line that a title stands on to the picture, and from the top of a line of a
# legend to the line that its text stands on.
_BELOW = 7
_BASELINE = 20
_LEGEND_END = 8


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
    cv2.putText(picture, text, position, color, cv2.FontFace("sans"), size)


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


def legend(
    lines: Sequence[tuple[np.ndarray | None, str]],
    width: int,
    *,
    line: int,
    size: int,
    left: int,
    top: int,
) -> np.ndarray:
    """A white strip with a line for each kind of color.

    Args:
      lines: `(swatch u8[h, w, 3], text)`; None for a line of text only.
      width: of the strip, in pixels, as all that follows.
      line: height of a line.
      size: of the letters.
      left: margin of the swatches; also that between a swatch and its text.
      top: of a swatch in its line.

    Returns:
      u8[H, width, 3].
    """
    strip = white(line * len(lines) + _LEGEND_END, width)
    for index, (swatch, text) in enumerate(lines):
        start, indent = index * line, left
        if swatch is not None:
            height, breadth = swatch.shape[:2]
            room = strip[start + top : start + top + height, left : left + breadth]
            room[...] = swatch[:, : room.shape[1]]  # a narrow picture has a narrow legend
            indent += breadth + left
        write(strip, text, (indent, start + _BASELINE), size=size)
    return strip
