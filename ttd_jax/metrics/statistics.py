"""SD, SCD, CC, MSE, PSNR: moments of whole images."""

import chex
import jax.numpy as jnp

from ttd_jax.metrics.inputs import Sources, offset, prepare, safe_sqrt
from ttd_jax.metrics.region import Extent

# Below this an image is constant: float32 rounding of grays leaves 1e-10, while one pixel of a
# gigapixel image that is off by one gray has 1e-9.
_NO_VARIANCE = 1e-9

PSNR_LIMIT = 100.0  # decibel


def standard_deviation(
    fused: chex.Array, sources: Sources = None, *, protocol: str = "paper", extent: Extent = None
) -> chex.Array:
    """SD: population standard deviation, in 0..127.5; differentiable.

    Args:
      fused: f32[H, W], grays in 0..255.
      sources: f32[M, H, W] or None: nothing but its shape is looked at.
      protocol: a key of `PROTOCOLS`.
      extent: i32[2], see `evaluate`.

    Raises:
      UserError: an unknown protocol; shapes that do not fit.

    Reference: Rao, Meas. Sci. Technol. 8 (1997) 355-367.
    """
    fused, _, region = prepare(fused, sources, protocol, extent)
    return safe_sqrt(_covariance(fused, fused, region))


def sum_of_correlations_of_differences(
    fused: chex.Array, sources: chex.Array, *, protocol: str = "paper", extent: Extent = None
) -> chex.Array:
    """SCD = sum over m of corr(F - mean of the other sources, X_m), in -M..M.

    For two sources corr(F - B, A) + corr(F - A, B); for a single one corr(F, A).

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      protocol: a key of `PROTOCOLS`.
      extent: i32[2], see `evaluate`.

    Raises:
      UserError: an unknown protocol; shapes that do not fit.

    Reference: Aslantas and Bendes, AEU Int. J. Electronics and Communications 69 (2015) 1890-1896.
    """
    fused, sources, region = prepare(fused, sources, protocol, extent)
    total = sum(sources)  # plane by plane: a sum over the leading axis takes XLA ten times longer
    others = (total[None] - sources) / max(sources.shape[0] - 1, 1)
    return jnp.sum(_correlation(fused[None] - others, sources, region))


def correlation(
    fused: chex.Array, sources: chex.Array, *, protocol: str = "paper", extent: Extent = None
) -> chex.Array:
    """CC: mean over m of corr(F, X_m), in -1..1; a constant image correlates 0 with anything.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      protocol: a key of `PROTOCOLS`.
      extent: i32[2], see `evaluate`.

    Raises:
      UserError: an unknown protocol; shapes that do not fit.

    Reference: Ma et al., Information Fusion 45 (2019) 153-178.
    """
    fused, sources, region = prepare(fused, sources, protocol, extent)
    return jnp.mean(_correlation(fused[None], sources, region))


def mean_squared_error(
    fused: chex.Array, sources: chex.Array, *, protocol: str = "paper", extent: Extent = None
) -> chex.Array:
    """MSE: mean over m of mean (F - X_m)^2, in 0..65025; differentiable.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      protocol: a key of `PROTOCOLS`.
      extent: i32[2], see `evaluate`.

    Raises:
      UserError: an unknown protocol; shapes that do not fit.

    Reference: Ma et al., Information Fusion 45 (2019) 153-178.
    """
    fused, sources, region = prepare(fused, sources, protocol, extent)
    return region.mean(jnp.square(fused[None] - sources))


def psnr(
    fused: chex.Array, sources: chex.Array, *, protocol: str = "paper", extent: Extent = None
) -> chex.Array:
    """PSNR = 10 log10(max(F)^2 / MSE) in decibel, held within -100..100.

    100 where the fused image equals every source (MSE 0); -100 for a black fused image of sources
    that are not black.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      protocol: a key of `PROTOCOLS`.
      extent: i32[2], see `evaluate`.

    Raises:
      UserError: an unknown protocol; shapes that do not fit.

    Reference: Jagalingam and Hegde, Aquatic Procedia 4 (2015) 133-142.
    """
    fused, sources, region = prepare(fused, sources, protocol, extent)
    error = mean_squared_error(fused, sources, protocol=protocol, extent=extent)
    peak = jnp.square(jnp.max(region.keep(fused, -jnp.inf)))
    both = (peak > 0) & (error > 0)
    ratio = jnp.where(both, peak, 1.0) / jnp.where(both, error, 1.0)
    decibel = jnp.clip(10 * jnp.log10(ratio), -PSNR_LIMIT, PSNR_LIMIT)
    return jnp.where(both, decibel, jnp.where(error > 0, -PSNR_LIMIT, PSNR_LIMIT))


def _covariance(first, second, region):
    first, second = (images - offset(images, region) for images in (first, second))
    return region.mean(first * second, axis=(-2, -1))


def _correlation(first, second, region):
    """Pearson's, over the last two axes; 0 where an image has no variance."""
    variances = _covariance(first, first, region), _covariance(second, second, region)
    varied = (variances[0] > _NO_VARIANCE) & (variances[1] > _NO_VARIANCE)
    # two roots: the product of two variances is no float32 where both are small
    scale = jnp.prod(jnp.stack([jnp.sqrt(jnp.where(varied, v, 1.0)) for v in variances]), axis=0)
    return jnp.where(varied, jnp.clip(_covariance(first, second, region) / scale, -1.0, 1.0), 0.0)
