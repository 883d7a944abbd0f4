"""MSE, PSNR: how far the fused image is from its sources."""

import chex
import jax.numpy as jnp

from ttd_jax.metrics.inputs import prepare
from ttd_jax.metrics.region import Extent, Mask

PSNR_LIMIT = 100.0  # decibel


def mean_squared_error(
    fused: chex.Array,
    sources: chex.Array,
    *,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """MSE: mean over m of mean (F - X_m)^2, in 0..65025; differentiable.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Ma et al., Information Fusion 45 (2019) 153-178.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    return region.mean(jnp.square(fused[None] - sources))


def psnr(
    fused: chex.Array,
    sources: chex.Array,
    *,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """PSNR = 10 log10(max(F)^2 / MSE) in decibel, held within -100..100.

    100 where the fused image equals every source (MSE 0); -100 for a black fused image of sources
    that are not black.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Jagalingam and Hegde, Aquatic Procedia 4 (2015) 133-142.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    error = mean_squared_error(fused, sources, extent=extent, mask=mask)
    peak = jnp.square(jnp.max(region.counted(fused, -jnp.inf)))
    both = (peak > 0) & (error > 0)
    ratio = jnp.where(both, peak, 1.0) / jnp.where(both, error, 1.0)
    decibel = jnp.clip(10 * jnp.log10(ratio), -PSNR_LIMIT, PSNR_LIMIT)
    return jnp.where(both, decibel, jnp.where(error > 0, -PSNR_LIMIT, PSNR_LIMIT))
