"""What pictures of one scene have in common, whatever took them: where edges are, how they run.

After "channel features of orientated gradients": Ye, Bruzzone, Shan, Bovolo and Zhu, "Fast and
Robust Matching for Multimodal Remote Sensing Image Registration", IEEE Transactions on Geoscience
and Remote Sensing 57(11), 2019. Theirs are |gradient| * |cos(angle - t)| for nine angles t; here
are the first terms of that function's Fourier series in t, which hold the same in five numbers.
"""

import cv2
import numpy as np

_BLUR = 1.0  # of the picture, in pixels: a derivative's own scale
_SPREAD = 2.5  # of what is known of a pixel over its neighbours
_WEIGHTS = (0.35, 1.0, 0.35)  # of the strength, the direction, the direction's double
_FLOOR = 0.05  # of the mean energy: what is flatter counts for less
_NOISE = 0.004  # of the range: gradients of this strength say nothing


def channels(gray: np.ndarray) -> np.ndarray:
    """What edges there are around each pixel, the same for light on dark and dark on light.

    Args:
      gray: f32[H, W], about [0, 1].

    Returns:
      f32[5, H, W]: a vector of length one at a clear edge and about zero where all is flat.
    """
    smooth = cv2.GaussianBlur(gray, (0, 0), _BLUR, borderType=cv2.BORDER_REPLICATE)
    x, y = gradients(smooth)
    strength = np.sqrt(x * x + y * y)  # cv2.magnitude's last bit depends on where arrays lie
    inverse = 1 / (strength + np.float32(1e-9))
    cos, sin = (x * x - y * y) * inverse, 2 * x * y * inverse
    cos2, sin2 = (cos * cos - sin * sin) * inverse, 2 * cos * sin * inverse
    found = np.stack(
        [
            cv2.GaussianBlur(each, (0, 0), _SPREAD, borderType=cv2.BORDER_REPLICATE)
            for each in (strength, cos, sin, cos2, sin2)
        ]
    )
    found *= np.repeat(np.float32(_WEIGHTS), (1, 2, 2))[:, None, None]
    energy = np.square(found).sum(0)
    found /= np.sqrt(energy + max(_NOISE**2, _FLOOR * float(energy.mean())))
    return found


def gradients(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The change of f32[H, W] a pixel to the right and a pixel down, each f32[H, W]."""
    return tuple(
        cv2.Sobel(plane, cv2.CV_32F, *axis, scale=0.125, borderType=cv2.BORDER_REPLICATE)
        for axis in ((1, 0), (0, 1))
    )
