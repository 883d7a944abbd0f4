"""Qcb: how much of the sources' contrast, as the eye sees it, the fused picture keeps."""

import chex
import jax.numpy as jnp
import numpy as np

from ttd_jax.metrics import filters, fourier
from ttd_jax.metrics.inputs import prepare
from ttd_jax.metrics.perception.stretch import stretched
from ttd_jax.metrics.region import Extent, Mask

_FINE, _COARSE, _COARSE_GAIN = 15.3870, 1.3456, 0.7622  # cycles per degree
_CENTER, _SURROUND = 2.0, 4.0  # standard deviations in pixels
_REACH = 15
_MASKING = 1e-4
# Below it both means are what rounding leaves of black ground.
_BLACK = 1e-5


def contrast_preservation(
    fused: chex.Array,
    sources: chex.Array,
    *,
    stretch: str = "rounded",
    degrees: float = 15.0,
    guard: float = 0.0,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """Qcb = mean over pixels of sum over m of w_m min(C_m, C_F) / max(C_m, C_F), in 0..1.

    Stretched pictures go through a contrast sensitivity filter, the difference of two Gaussians
    over cycles per degree. With their Gaussian means of standard deviations 2 and 4 pixels (31x31,
    zeros beside the picture) the contrast is c = |mean_2 / mean_4 - 1|, masked C = c^3 / (c^2 +
    1e-4), and w_m = C_m^2 / sum C^2.

    NaN where a picture is constant. On black ground, where both means are below 1e-5 of the range,
    the programs divide what little their double precision leaves: there c is 1.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      stretch: see `stretched`.
      degrees: how wide and how high the eye sees a picture of any size.
      guard: added to mean_4 of stretched pictures in 0..1, and to sum C^2.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Chen and Blum, Image and Vision Computing 27 (2009) 1421-1432.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    images, constant = stretched(jnp.concatenate([fused[None], sources]), region, stretch)
    contrast = _contrast(_see(images / 255, region, degrees), guard)
    # c^3 / (c^2 + masking), as the weights it is finite where the mean is next to nothing
    masked = contrast * (jnp.square(contrast) / (jnp.square(contrast) + _MASKING))
    weaker, stronger = (choose(masked[:1], masked[1:]) for choose in (jnp.minimum, jnp.maximum))
    kept = jnp.where(stronger > 0, weaker / jnp.where(stronger > 0, stronger, 1.0), 1.0)
    saliency = jnp.square(masked[1:])
    total = jnp.sum(saliency, axis=0) + guard
    weights = jnp.where(total > 0, saliency / jnp.where(total > 0, total, 1.0), 1 / len(sources))
    quality = region.mean(jnp.sum(weights * kept, axis=0))
    return jnp.where(jnp.any(constant), jnp.nan, quality)


def _see(images, region, degrees):
    """The images through the contrast sensitivity filter."""
    shape = images.shape[-2:]
    vertical, horizontal = fourier.frequencies(region, shape, half=True)
    squared = (jnp.square(vertical) + jnp.square(horizontal)) / degrees**2
    sensitivity = jnp.exp(-squared / _FINE**2) - _COARSE_GAIN * jnp.exp(-squared / _COARSE**2)
    return fourier.irfft2(fourier.rfft2(images, region) * sensitivity, region, shape)


def _contrast(images, guard):
    center, surround = _blur(images, _CENTER), _blur(images, _SURROUND) + guard
    black = (jnp.abs(center) < _BLACK) & (jnp.abs(surround) < _BLACK) | (surround == 0)
    contrast = jnp.abs(center / jnp.where(black, 1.0, surround) - 1)
    return jnp.where(black, 1.0, jnp.minimum(contrast, 1e9))


def _blur(images, sigma):
    """Zeros beside the image, and taps that do not sum to quite one."""
    distance = np.arange(-_REACH, _REACH + 1)
    taps = np.exp(-0.5 * (distance / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)
    margins = [(0, 0)] * (images.ndim - 2) + [(_REACH, _REACH)] * 2
    return filters.separable(jnp.pad(images, margins), taps)
