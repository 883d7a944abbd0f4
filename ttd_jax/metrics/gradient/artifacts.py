"""Nabf: edges that the fused image has and no source."""

import functools

import chex
import jax.numpy as jnp

from ttd_jax.metrics.gradient.edges import derivatives, parallelism
from ttd_jax.metrics.inputs import prepare, safe_divide, safe_sqrt
from ttd_jax.metrics.region import Extent, Mask

_HEIGHT = 0.9999 * 0.9995  # of both sigmoids together
_STRENGTH = (19.0, 0.5)  # slope and middle
_ORIENTATION = (22.0, 0.5)
_SOBEL = 8.0  # what the raw derivative is divided by
_STRONG = 2.0  # from this strength on an edge weighs strength^1.5


def added_artifacts(
    fused: chex.Array,
    sources: chex.Array,
    *,
    weak: float = 0.001,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """Nabf = sum of (1 - Q_m) w_m over m and where F's edge is strongest, over the sum of all w_m.

    g is the Sobel edge strength (divided by 8, mirrored border), w_m is g_m^1.5, but `weak` where
    g_m is below 2. Q_m is the square root of the product of two sigmoids, of the weaker strength
    over the stronger and of how parallel the edges are. In 0..1, at most 1 - Q < 1; 0 where no edge
    of the fused image is stronger than those of all sources.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255. In this order: scripts
        that pass a source for the fused image give another figure.
      weak: weight of weak edges; if it is 0, sources without strong ones give NaN.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Shreyamsha Kumar, Signal, Image and Video Processing 7 (2013) 1125-1143.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    images = jnp.concatenate([fused[None], sources])
    along_x, along_y = derivatives(images, region, border="reflect")
    squares = jnp.square(along_x) + jnp.square(along_y)  # whole numbers: compared exactly
    weaker = jnp.minimum(squares[:1], squares[1:])
    stronger = jnp.maximum(squares[:1], squares[1:])
    lost = _lost(safe_sqrt(safe_divide(weaker, stronger)), parallelism(along_x, along_y))
    strength = safe_sqrt(squares[1:]) / _SOBEL
    strong = squares[1:] >= (_STRONG * _SOBEL) ** 2
    weights = region.counted(jnp.where(strong, strength * safe_sqrt(strength), weak))
    strongest = functools.reduce(jnp.maximum, squares[1:])
    added = squares[0] > strongest
    total = jnp.sum(weights)
    value = safe_divide(jnp.sum(jnp.where(added, lost * weights, 0.0)), total)
    return jnp.where(total > 0, value, jnp.nan)


def _lost(ratio, parallel):
    """1 - Q of two numbers in 0..1.

    From what either sigmoid is below its height: the difference from 1 would cancel in float32.
    """
    odds = [  # of losing
        jnp.exp(-slope * (x - middle))
        for x, (slope, middle) in ((ratio, _STRENGTH), (parallel, _ORIENTATION))
    ]
    kept = 1 / ((1 + odds[0]) * (1 + odds[1]))
    lost = (odds[0] + odds[1] + odds[0] * odds[1]) * kept
    return (1 - _HEIGHT + _HEIGHT * lost) / (1 + jnp.sqrt(_HEIGHT * kept))  # (1 - Q^2) / (1 + Q)
