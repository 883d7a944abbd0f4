"""Qabf: how well the fused image keeps the sources' edges."""

import chex
import jax.numpy as jnp

from ttd_jax.metrics.filters import sobel
from ttd_jax.metrics.inputs import prepare, safe_divide
from ttd_jax.metrics.region import Extent, Mask

_STRENGTH = (0.9994, -15.0, 0.5)  # height, slope and middle of the two sigmoids
_ORIENTATION = (0.9879, -22.0, 0.8)
_TINY = 1e-20


def edge_preservation(
    fused: chex.Array,
    sources: chex.Array,
    *,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """Qabf = sum over m and pixels of Q_m g_m over the sum of g_m; at most 0.9748.

    g is the Sobel edge strength (replicated border) and alpha = atan(sy / sx), pi / 2 where sx is
    0. Q_m is the product of two sigmoids: of G, the weaker strength over the stronger, and of
    a = | |alpha_m - alpha_F| - pi / 2 | / (pi / 2), one for parallel edges and zero for crossed
    ones. Sources without any edge give 0.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Xydeas and Petrovic, Electronics Letters 36 (2000) 308-309.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    along_x, along_y = sobel(region.repeat_edge(jnp.concatenate([fused[None], sources])))
    strength = jnp.sqrt(jnp.square(along_x) + jnp.square(along_y))
    weaker = jnp.minimum(strength[:1], strength[1:])
    stronger = jnp.maximum(strength[:1], strength[1:])
    kept = _sigmoid(safe_divide(weaker, stronger), _STRENGTH)
    kept *= _sigmoid(_parallelism(along_x, along_y), _ORIENTATION)
    kept = jnp.sum(region.counted(kept * strength[1:]))
    return safe_divide(kept, jnp.sum(region.counted(strength[1:])))


def _parallelism(along_x, along_y):
    """a of the first image's gradient with each of the others', f32[M, H, W] in 0..1.

    That is one minus the angle between two undirected lines over pi / 2: one arctangent of
    |cross product| / |dot product| gives it, and no quotient of a single gradient is needed.
    """
    along_y = jnp.where(
        (along_x == 0) & (along_y == 0), 1.0, along_y
    )  # a flat pixel points along y
    dot = jnp.abs(along_x[:1] * along_x[1:] + along_y[:1] * along_y[1:])
    cross = jnp.abs(along_x[:1] * along_y[1:] - along_y[:1] * along_x[1:])
    return 1 - jnp.arctan(cross / jnp.maximum(dot, _TINY)) / (jnp.pi / 2)


def _sigmoid(x, constants):
    height, slope, middle = constants
    return height / (1 + jnp.exp(slope * (x - middle)))
