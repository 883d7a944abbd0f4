"""MSE, RMSE, PSNR: how far the fused image is from its sources."""

import chex
import jax.numpy as jnp

from ttd_jax.metrics.inputs import prepare, safe_sqrt
from ttd_jax.metrics.region import Extent, Mask, divisor

PSNR_LIMIT = 100.0  # decibel


def mean_squared_error(
    fused: chex.Array,
    sources: chex.Array,
    *,
    scale: float = 1.0,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """MSE: mean over m of mean (F - X_m)^2, in 0..65025; differentiable.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      scale: what grays are multiplied by first.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Ma et al., Information Fusion 45 (2019) 153-178.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    return scale**2 * region.mean(jnp.square(fused[None] - sources))


def root_mean_squared_error(
    fused: chex.Array,
    sources: chex.Array,
    *,
    error: str = "squared",
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """RMSE: square root of the MSE, in 0..255; differentiable but where it is 0.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      error: 'squared', the MSE; or 'norm', see `psnr`, without a root: about 0.05.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Jagalingam and Hegde, Aquatic Procedia 4 (2015) 133-142.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    if error == "norm":
        return _mean_norm(fused, sources, region)
    return safe_sqrt(region.mean(jnp.square(fused[None] - sources)))


def psnr(
    fused: chex.Array,
    sources: chex.Array,
    *,
    peak: float | None = None,
    error: str = "squared",
    scale: float = 1.0,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """PSNR = 10 log10(max(F)^2 / MSE) in decibel, held within -100..100.

    100 where the fused image equals every source (MSE 0); -100 for a black fused image of sources
    that are not black.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      peak: in place of max(F); there are no limits then, and NaN where the error is 0.
      error: 'squared', the MSE; or 'norm', the mean over m of sqrt(sum (F - X_m)^2) / (H W): no
        error of a pixel, for it depends on the size of the images, and so does what is made of it.
      scale: what grays, but not `peak`, are multiplied by first.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Jagalingam and Hegde, Aquatic Procedia 4 (2015) 133-142.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    if error == "norm":
        power = scale * _mean_norm(fused, sources, region)
    else:
        power = scale**2 * region.mean(jnp.square(fused[None] - sources))
    if peak is not None:
        decibel = 10 * jnp.log10(peak**2 / jnp.where(power > 0, power, 1.0))
        return jnp.where(power > 0, decibel, jnp.nan)
    square = jnp.square(scale * jnp.max(region.counted(fused, -jnp.inf)))
    both = (square > 0) & (power > 0)
    ratio = jnp.where(both, square, 1.0) / jnp.where(both, power, 1.0)
    decibel = jnp.clip(10 * jnp.log10(ratio), -PSNR_LIMIT, PSNR_LIMIT)
    return jnp.where(both, decibel, jnp.where(power > 0, -PSNR_LIMIT, PSNR_LIMIT))


def _mean_norm(fused, sources, region):
    """Mean over m of sqrt(mean (F - X_m)^2 / (H W))."""
    squares = region.mean(jnp.square(fused[None] - sources), axis=(-2, -1))
    return jnp.mean(safe_sqrt(squares)) / jnp.sqrt(divisor(region.size))
