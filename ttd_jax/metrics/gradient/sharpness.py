"""AG, EI, SF: how strong the fused image's edges are. All differentiable."""

import chex
import jax
import jax.numpy as jnp

from ttd_jax.metrics.gradient.edges import edge_strength
from ttd_jax.metrics.inputs import Sources, prepare, safe_sqrt
from ttd_jax.metrics.region import Extent, Mask, divisor


def average_gradient(
    fused: chex.Array,
    sources: Sources = None,
    *,
    over: str = "pixels",
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """AG: mean of sqrt((gx^2 + gy^2) / 2), central differences, one-sided at the borders.

    Over all H W pixels; over the 'interior', the same sum is divided by (H - 1) (W - 1). An axis of
    one pixel has no gradient and divides by 1. In 0..255.

    Args:
      fused: f32[H, W], grays in 0..255.
      sources: f32[M, H, W] or None: nothing but its shape is looked at.
      over: 'pixels' or 'interior', see above.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Cui et al., Optics Communications 341 (2015) 199-209.
    """
    fused, _, region = prepare(fused, sources, extent, mask)
    squares = [jnp.square(_gradient(fused, a, region)) for a in (0, 1) if fused.shape[a] > 1]
    mean = region.mean(safe_sqrt(sum(squares, jnp.zeros_like(fused)) / 2))
    if over == "interior":
        height, width = (divisor(side - 1) for side in region.sides)
        return mean * (divisor(region.size) / (height * width))
    return mean


def edge_intensity(
    fused: chex.Array,
    sources: Sources = None,
    *,
    scale: float = 0.25,
    border: str = "edge",
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """EI: mean of sqrt(sx^2 + sy^2), 3x3 Sobel with replicated border.

    Sobel's sums of four differences are divided by 4; benchmarks take them raw (scale 1).

    Args:
      fused: f32[H, W], grays in 0..255.
      sources: f32[M, H, W] or None: nothing but its shape is looked at.
      scale: of the derivatives.
      border: what lies beside the image: 'edge' (pixels repeated) or 'constant' (black: its frame
        is an edge).
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Rajalingam and Priya, Int. J. Eng. Sci. Invention 2 (2018).
    """
    fused, _, region = prepare(fused, sources, extent, mask)
    return scale * region.mean(edge_strength(fused, region, border=border))


def spatial_frequency(
    fused: chex.Array,
    sources: Sources = None,
    *,
    over: str = "differences",
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """SF: sqrt(mean dx^2 + mean dy^2) of the differences of neighbors, in 0..361.

    True means, each over its own differences; over 'pixels', both sums are divided by H W.

    Args:
      fused: f32[H, W], grays in 0..255.
      sources: f32[M, H, W] or None: nothing but its shape is looked at.
      over: 'differences' or 'pixels', see above.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Eskicioglu and Fisher, IEEE Trans. Communications 43 (1995) 2959-2965.
    """
    fused, _, region = prepare(fused, sources, extent, mask)
    total = jnp.float32(0.0)
    for axis in (0, 1):
        differences = region.shorter(axis, 1)
        count = divisor((region if over == "pixels" else differences).size)
        total += jnp.sum(differences.counted(jnp.square(jnp.diff(fused, axis=axis)))) / count
    return safe_sqrt(total)


def _gradient(image, axis, region):
    """`jnp.gradient` of a region, one-sided where that ends."""
    slopes = jnp.gradient(image, axis=axis)
    if region.whole:
        return slopes
    first = jax.lax.slice_in_dim(image, 0, 1, axis=axis)
    return region.shorter(axis, 1).keep(slopes, jnp.diff(image, axis=axis, prepend=first))
