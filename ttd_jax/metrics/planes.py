"""From picture files' pixels to what a protocol scores: their grays, or their channels."""

from collections.abc import Sequence

import chex
import jax.numpy as jnp
import numpy as np

from ttd_jax.errors import UserError
from ttd_jax.metrics.protocols import find


def source_planes(
    pictures: Sequence[chex.Array], *, protocol: str = "paper", gray: bool = False
) -> chex.Array:
    """What a protocol scores a fused picture against.

    Args:
      pictures: M sources of one size, u8[H, W], u8[H, W, 1] or u8[H, W, 3] RGB.
      protocol: a key of `PROTOCOLS`.
      gray: their grays whatever the protocol, as for pictures that were fused from grays.

    Returns:
      f32[M, H, W], whole grays in 0..255; f32[M, 3, H, W] where the protocol looks at channels and
      a source has color: a gray one then has three equal channels.

    Raises:
      UserError: an unknown protocol, other types or shapes.
    """
    rule = find(protocol)
    colors = None if gray else rule.colors
    planes = [_planes(picture, colors, rule.source_gray) for picture in pictures]
    if any(one.ndim == 3 for one in planes):
        shape = (3, *planes[0].shape[-2:])
        planes = [np.broadcast_to(one, shape) if one.ndim == 2 else one for one in planes]
    return np.stack(planes)


def fused_planes(picture: chex.Array, *, protocol: str = "paper") -> chex.Array:
    """What a protocol scores of a fused picture.

    Args:
      picture: u8[H, W], u8[H, W, 1] or u8[H, W, 3] RGB, NumPy's or JAX's.
      protocol: a key of `PROTOCOLS`.

    Returns:
      f32[H, W], whole grays in 0..255; f32[3, H, W] where the protocol looks at channels and the
      picture has color.

    Raises:
      UserError: an unknown protocol, another type or shape.

    Example:
      >>> red = np.array([[[200, 0, 0]]], np.uint8)
      >>> fused_planes(red).item(), fused_planes(red, protocol="tang").item()
      (23.0, 60.0)
      >>> fused_planes(red, protocol="vifb").shape
      (3, 1, 1)
    """
    rule = find(protocol)
    return _planes(picture, rule.colors, rule.fused_gray)


def _planes(image, colors, gray):
    image = image if isinstance(image, jnp.ndarray) else np.asarray(image)
    if image.dtype != np.uint8:
        raise UserError(f"metrics judge uint8 pictures, got {image.dtype}")
    image = image[..., None] if image.ndim == 2 else image
    if image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise UserError(f"expected [H, W], [H, W, 1] or [H, W, 3], got {image.shape}")
    channels = [image[..., channel].astype(np.int32) for channel in range(image.shape[-1])]
    if len(channels) == 1:
        return channels[0].astype(np.float32)
    if colors is None:
        return gray(*channels).astype(np.float32)
    stack = np.stack if isinstance(image, np.ndarray) else jnp.stack
    return stack(channels).astype(np.float32)
