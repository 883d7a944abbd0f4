"""Qabf: how well the fused image keeps the sources' edges."""

import jax.numpy as jnp

from ttd_jax.metrics.filters import sobel
from ttd_jax.metrics.inputs import prepare, safe_divide

_STRENGTH = (0.9994, -15.0, 0.5)  # height, slope and middle of the two sigmoids
_ORIENTATION = (0.9879, -22.0, 0.8)


def edge_preservation(fused, sources, *, protocol="paper"):
    """Qabf = sum over m and pixels of Q_m g_m over the sum of g_m; at most 0.9748.

    g is the Sobel edge strength (replicated border) and alpha = atan(sy / sx), pi / 2 where sx is
    0. Q_m is the product of two sigmoids: of G, the weaker strength over the stronger, and of
    a = | |alpha_m - alpha_F| - pi / 2 | / (pi / 2), one for parallel edges and zero for crossed
    ones. Sources without any edge give 0.

    Reference: Xydeas and Petrovic, Electronics Letters 36 (2000) 308-309.
    """
    fused, sources = prepare(fused, sources, protocol)
    strength, angle = _edges(jnp.concatenate([fused[None], sources]))
    weaker = jnp.minimum(strength[:1], strength[1:])
    stronger = jnp.maximum(strength[:1], strength[1:])
    parallel = jnp.abs(jnp.abs(angle[1:] - angle[:1]) / (jnp.pi / 2) - 1)
    kept = _sigmoid(safe_divide(weaker, stronger), _STRENGTH) * _sigmoid(parallel, _ORIENTATION)
    weights = strength[1:]
    return safe_divide(jnp.sum(kept * weights), jnp.sum(weights))


def _edges(images):
    along_x, along_y = sobel(images)
    upright = along_x == 0
    angle = jnp.arctan(along_y / jnp.where(upright, 1.0, along_x))
    strength = jnp.sqrt(jnp.square(along_x) + jnp.square(along_y))
    return strength, jnp.where(upright, jnp.pi / 2, angle)


def _sigmoid(x, constants):
    height, slope, middle = constants
    return height / (1 + jnp.exp(slope * (x - middle)))
