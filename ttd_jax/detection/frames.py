"""Pictures of any size in the frame that a detector takes, with OpenCV."""

import cv2
import numpy as np

PADDING = 114  # gray of what a picture does not cover


def letterbox(picture: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, float]:
    """Scales a picture into a frame, its proportions kept, at the top left.

    Args:
      picture: u8[h, w, 3] or u8[h, w, 1]; gray becomes three equal channels.
      size: (H, W) of the frame.

    Returns:
      `(framed, ratio)`: u8[H, W, 3], gray 114 where nothing is, and pixels of the frame a pixel of
      the picture: boxes found in the frame belong to the picture when divided by it.
    """
    if picture.shape[-1] == 1:
        picture = np.repeat(picture, 3, axis=-1)
    height, width = picture.shape[:2]
    ratio = min(size[0] / height, size[1] / width)
    inner = max(1, int(width * ratio)), max(1, int(height * ratio))
    framed = np.full((*size, 3), PADDING, np.uint8)
    scaled = cv2.resize(picture, inner, interpolation=cv2.INTER_LINEAR)
    framed[: inner[1], : inner[0]] = scaled
    return framed, ratio
