"""The two named protocols, and how each turns a picture file into the gray image it judges.

Gray conversions are exact integer arithmetic on uint8 arrays, NumPy's or JAX's.
"""

import chex
import jax.numpy as jnp
import numpy as np

from ttd_jax.errors import UserError
from ttd_jax.registry import unknown

# A table of figures always names its protocol: figures of the two cannot be compared.
PROTOCOLS = {
    "paper": "Cao et al., Test-Time Dynamic Image Fusion, NeurIPS 2024",
    "vifb": "VIFB and MEFB benchmarks: Zhang et al., CVPR Workshops 2020 and Inf. Fusion 2021",
}

# OpenCV's fixed-point BT.601 weights of red, green, blue: round(2**15 * w).
_OPENCV = (9798, 19235, 3735)
_SHIFT = 15


def check(protocol: str) -> None:
    """Refuses an unknown protocol.

    Raises:
      UserError: if `protocol` is not a key of `PROTOCOLS`.
    """
    if protocol not in PROTOCOLS:
        raise unknown(protocol, PROTOCOLS, kind="protocol")


def source_gray(image: chex.Array) -> chex.Array:
    """Gray of a source image, to the integer what OpenCV's RGB to gray conversion gives.

    Args:
      image: u8[H, W], u8[H, W, 1] or u8[H, W, 3] RGB.

    Returns:
      f32[H, W], whole numbers in 0..255.
    """
    image = _planes(image)
    if image.shape[-1] == 1:
        return image[..., 0].astype(np.float32)
    red, green, blue = (_OPENCV[channel] * image[..., channel] for channel in range(3))
    return ((red + green + blue + (1 << (_SHIFT - 1))) >> _SHIFT).astype(np.float32)


def fused_gray(image: chex.Array, *, protocol: str = "paper") -> chex.Array:
    """Gray of a fused picture as a protocol judges it.

    'paper' weighs red as blue and blue as red, round(0.114 R + 0.587 G + 0.299 B): the published
    figures were taken from files whose channels were written in reverse order. That quirk lives
    here and nowhere else. A picture of one channel is its own gray in either protocol.

    Args:
      image: u8[H, W], u8[H, W, 1] or u8[H, W, 3] RGB.
      protocol: 'paper' or 'vifb'.

    Returns:
      f32[H, W], whole numbers in 0..255.

    Example:
      >>> red = np.array([[[200, 0, 0]]], np.uint8)
      >>> fused_gray(red).item(), fused_gray(red, protocol="vifb").item()
      (23.0, 60.0)
    """
    check(protocol)
    planes = _planes(image)
    if protocol == "vifb" or planes.shape[-1] == 1:
        return source_gray(image)
    red, green, blue = (planes[..., channel] for channel in range(3))
    # thousandths, so that a half rounds up whatever the platform's floats do
    return ((114 * red + 587 * green + 299 * blue + 500) // 1000).astype(np.float32)


def _planes(image):
    """The image as i32[H, W, 1 or 3]."""
    image = image if isinstance(image, jnp.ndarray) else np.asarray(image)
    if image.dtype != np.uint8:
        raise UserError(f"gray conversion takes uint8 pictures, got {image.dtype}")
    image = image[..., None] if image.ndim == 2 else image
    if image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise UserError(f"expected [H, W], [H, W, 1] or [H, W, 3], got {image.shape}")
    return image.astype(np.int32)
