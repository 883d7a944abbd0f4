"""Sobel edges of pictures, with the border rules that the field's metrics have."""

import chex
import jax.numpy as jnp

from ttd_jax.metrics.filters import sobel
from ttd_jax.metrics.region import Region
from ttd_jax.parts.border import fill_border

_TINY = 1e-20


def derivatives(
    images: chex.Array, region: Region, *, border: str = "edge"
) -> tuple[chex.Array, chex.Array]:
    """Raw 3x3 Sobel derivatives along x and y of pictures f32[..., H, W], two of their shape.

    Args:
      images: 0 beyond the region.
      region: where the pictures end.
      border: what lies there: 'edge' (pixels repeated), 'reflect' (mirrored at them) or 'constant'
        (black, so that the frame of a picture is an edge).
    """
    if not region.whole:
        images = fill_border(images[..., None], border, (0, 0), region.sides)[..., 0]
    return sobel(images, border=border)


def parallelism(along_x: chex.Array, along_y: chex.Array) -> chex.Array:
    """How parallel edges of the first picture are to each of the others', f32[M, H, W] in 0..1.

    One minus the angle between two undirected lines over pi / 2: one arctangent of
    |cross product| / |dot product| gives it, and no quotient of a single gradient is needed.

    Args:
      along_x, along_y: f32[1 + M, H, W]; where both are 0 the gradient points along y.
    """
    along_y = jnp.where((along_x == 0) & (along_y == 0), 1.0, along_y)
    dot = jnp.abs(along_x[:1] * along_x[1:] + along_y[:1] * along_y[1:])
    cross = jnp.abs(along_x[:1] * along_y[1:] - along_y[:1] * along_x[1:])
    return 1 - jnp.arctan(cross / jnp.maximum(dot, _TINY)) / (jnp.pi / 2)
