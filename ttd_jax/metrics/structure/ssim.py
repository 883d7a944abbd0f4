"""SSIM: structural similarity of the fused image with every source. Differentiable."""

import functools

import chex
import jax
import jax.numpy as jnp

from ttd_jax.metrics import filters
from ttd_jax.metrics.inputs import offset, prepare
from ttd_jax.metrics.region import Extent, Mask, Region, divisor

_K1, _K2 = 0.01, 0.03


def ssim(
    fused: chex.Array,
    sources: chex.Array,
    *,
    window: str = "uniform",
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """SSIM = sum over m of ssim(F, X_m), in -M..M; M where the fused image equals every source.

    'uniform': 7x7 window and sample covariance. 'gaussian': 11x11 of standard deviation 1.5 and
    population covariance. Data range 255, mean over the windows inside the image; a smaller image
    gets the largest window that fits.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      window: 'uniform' or 'gaussian', see above.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Wang et al., IEEE Trans. Image Processing 13 (2004) 600-612.
    """
    fused, sources, _ = prepare(fused, sources, extent, mask)
    options = {"data_range": 255.0, "window": window, "extent": extent, "mask": mask}
    return jnp.sum(similarity(fused, sources, **options))


def similarity(
    fused: chex.Array,
    sources: chex.Array,
    *,
    data_range: float,
    window: str = "gaussian",
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """Mean structural similarity of one image with each of several, f32[M].

    Args:
      fused: f32[H, W].
      sources: f32[M, H, W].
      data_range: largest minus smallest possible gray: 255, or 1 for images in [0, 1].
      window: 'gaussian' (11x11, population covariance) or 'uniform' (7x7, sample covariance).
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.
    """
    region = Region.of(fused, extent, mask)
    images = jnp.concatenate([fused[None], sources])
    # Variances do not change with the origin, and near it float32 keeps the small ones.
    origin = jax.lax.stop_gradient(offset(images, region))
    if window == "gaussian":
        side, taps = region.window(11, functools.partial(filters.gaussian, sigma=1.5))
        unbiased = 1.0
    else:
        side, taps = region.window(7, filters.uniform)
        unbiased = divisor(side**2) / divisor(side**2 - 1)
    means, variances, covariances = filters.local_moments(images - origin, taps)
    means = means + origin
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    squares = jnp.square(means)
    luminance = (2 * means[:1] * means[1:] + c1) / (squares[:1] + squares[1:] + c1)
    structure = (2 * unbiased * covariances + c2) / (
        unbiased * (variances[:1] + variances[1:]) + c2
    )
    return region.windows(side).mean(luminance * structure, axis=(-2, -1))
