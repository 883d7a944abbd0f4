"""Sobel edges of pictures, with the border rules that the field's metrics have."""

import functools

import chex
import jax.numpy as jnp

from ttd_jax.metrics.filters import sobel
from ttd_jax.metrics.inputs import safe_sqrt
from ttd_jax.metrics.region import Region
from ttd_jax.parts.border import fill_border

_TINY = 1e-20
# atan(t) / t for t in 0..1 in powers of t^2, to 2e-8 (Abramowitz and Stegun 4.4.49). For XLA's own,
# a CPU calls a scalar function at each pixel.
_ARCTANGENT = (
    1.0,
    -0.3333314528,
    0.1999355085,
    -0.1420889944,
    0.1065626393,
    -0.0752896400,
    0.0429096138,
    -0.0161657367,
    0.0028662257,
)


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
    if not region.whole and border != "constant":
        images = fill_border(images[..., None], border, (0, 0), region.sides)[..., 0]
    return sobel(images, border=border)


def edge_strength(images: chex.Array, region: Region, *, border: str = "edge") -> chex.Array:
    """Length of the raw Sobel vector at every pixel of f32[..., H, W]; its gradient at 0 is 0.

    See `derivatives`.
    """
    along_x, along_y = derivatives(images, region, border=border)
    return safe_sqrt(jnp.square(along_x) + jnp.square(along_y))


def parallelism(along_x: chex.Array, along_y: chex.Array, *, angles: str = "lines") -> chex.Array:
    """How parallel edges of the first picture are to each of the others', f32[M, H, W].

    1 - |difference of the angles| / (pi / 2): one arctangent of |dot product| / |cross product|
    gives it, and no quotient of a single gradient is needed.

    Args:
      along_x, along_y: f32[1 + M, H, W].
      angles: 'lines', of undirected ones, so that crossed edges give 0, nothing is below, and where
        both derivatives are 0 the gradient points along y; 'lines x', there along x. Or of
        atan(y / x), down to -1 for two angles near the ends of -pi/2..pi/2: 'pi/2' (upwards) where
        x is 0, 'atan' there with the sign of y, and 0 where y is, too.
    """
    nowhere = (along_x == 0) & (along_y == 0)
    if angles in ("lines x", "atan"):
        along_x = jnp.where(nowhere, 1.0, along_x)
    else:
        along_y = jnp.where(nowhere, 1.0, along_y)
    dot = along_x[:1] * along_x[1:] + along_y[:1] * along_y[1:]
    cross = along_x[:1] * along_y[1:] - along_y[:1] * along_x[1:]
    parallel = _arctangent(jnp.abs(dot), jnp.abs(cross))
    if angles.startswith("lines"):
        return parallel
    upright = jnp.where(along_y > 0, -1.0, 1.0) if angles == "pi/2" else 1.0  # rows count down
    right = jnp.where(along_x == 0, upright, jnp.sign(along_x))  # 1 if it is its own angle's
    return jnp.where(dot * right[:1] * right[1:] < 0, -parallel, parallel)


def _arctangent(y, x):
    """Of y / x >= 0, over pi / 2: in 0..1."""
    t = jnp.minimum(x, y) / jnp.maximum(jnp.maximum(x, y), _TINY)
    series = functools.reduce(lambda total, c: total * (t * t) + c, reversed(_ARCTANGENT))
    angle = t * series / (jnp.pi / 2)
    return jnp.where(y > x, 1 - angle, angle)
