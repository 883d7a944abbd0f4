"""Qabf, Qg: how well the fused image keeps the sources' edges."""

import chex
import jax.numpy as jnp

from ttd_jax.metrics.gradient.edges import derivatives, parallelism
from ttd_jax.metrics.inputs import prepare, safe_divide, safe_sqrt
from ttd_jax.metrics.region import Extent, Mask

Sigmoid = tuple[float, float, float]  # height, slope and middle

_STRENGTH = (0.9994, 15.0, 0.5)
_ORIENTATION = (0.9879, 22.0, 0.8)
_FLAT = 1e-5  # what edges of no strength weigh in Qg


def edge_preservation(
    fused: chex.Array,
    sources: chex.Array,
    *,
    border: str = "edge",
    angles: str = "lines",
    equal: str = "ratio",
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """Qabf = sum over m and pixels of Q_m g_m over the sum of g_m; at most 0.9748.

    g is the Sobel edge strength. Q_m is the product of two sigmoids: of the weaker strength over
    the stronger, and of a = 1 - |difference of the angles| / (pi / 2), one for parallel edges.
    Sources without any edge give 0.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      border: what lies beside the images: 'edge' (pixels repeated) or 'constant' (black: their
        frame is an edge).
      angles: 'lines', of undirected ones: a is 0 for crossed edges. Or those of atan(sy / sx) as
        they are, so that a is -1 for edges along x that lean a little to different sides: 'pi/2'
        where sx is 0, or 'atan', there by the sign of sy, and 0 where that is 0.
      equal: 'ratio', 1 for two edges of the same strength; or 'strength', that strength itself.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Xydeas and Petrovic, Electronics Letters 36 (2000) 308-309.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    along_x, along_y = derivatives(jnp.concatenate([fused[None], sources]), region, border=border)
    squares = jnp.square(along_x) + jnp.square(along_y)
    strength = safe_sqrt(squares[1:])
    ratio = _ratio(squares)
    if equal == "strength":
        ratio = jnp.where(squares[:1] == squares[1:], strength, ratio)
    parallel = parallelism(along_x, along_y, angles=angles)
    kept = _sigmoid(ratio, _STRENGTH) * _sigmoid(parallel, _ORIENTATION)
    kept = jnp.sum(region.counted(kept * strength))
    return safe_divide(kept, jnp.sum(region.counted(strength)))


def mean_edge_preservation(
    fused: chex.Array,
    sources: chex.Array,
    *,
    strength: Sigmoid = (1.0, 10.0, 0.5),
    orientation: Sigmoid = (1.0, 20.0, 0.75),
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """Qg: mean over pixels of sum over m of Q_m g_m over the sum of g_m; at most 0.9867.

    Each pixel counts alike, where in Qabf each edge does by its strength: flat areas decide. Angles
    are those of undirected lines, and images are black beside their frame. Two flat pixels are
    taken for the same edge.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      strength, orientation: height, slope and middle of the two sigmoids, see `edge_preservation`.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Xydeas and Petrovic, Proc. SPIE 4051 (2000) 89-98.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    images = jnp.concatenate([fused[None], sources])
    along_x, along_y = derivatives(images, region, border="constant")
    squares = jnp.square(along_x) + jnp.square(along_y)
    ratio = jnp.where((squares[:1] == 0) & (squares[1:] == 0), 1.0, _ratio(squares))
    parallel = parallelism(along_x, along_y, angles="lines x")
    kept = _sigmoid(ratio, strength) * _sigmoid(parallel, orientation)
    weights = jnp.where(squares[1:] > 0, safe_sqrt(squares[1:]), _FLAT)
    # plane by plane: sums over the leading axis take XLA ten times longer
    return region.mean(sum(kept * weights) / sum(weights))


def _ratio(squares):
    """Of the weaker strength to the stronger, f32[M, H, W], of squares f32[1 + M, H, W]."""
    weaker = jnp.minimum(squares[:1], squares[1:])
    return safe_sqrt(safe_divide(weaker, jnp.maximum(squares[:1], squares[1:])))


def _sigmoid(x, constants):
    height, slope, middle = constants
    return height / (1 + jnp.exp(-slope * (x - middle)))
