"""The gray that pictures are compared by."""

import cv2
import numpy as np


def to_gray(picture: np.ndarray) -> np.ndarray:
    """f32[H, W] of a picture [H, W] or [H, W, 1 or 3] (RGB), u8, u16 or f32, in its own range."""
    picture = np.asarray(picture, np.float32)
    if picture.ndim == 2:
        return picture
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.shape[2] == 3 else picture[..., 0]
