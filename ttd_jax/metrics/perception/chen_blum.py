"""Qcb: how much of the sources' contrast, as the eye sees it, the fused picture keeps."""

import chex
import jax
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
# Below it the means of a flat surface differ by rounding; their contrast is about 2e-4 of them.
_FLAT = 3e-7


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
    seen = _see(images / 255, region, degrees)
    # one image after another, or XLA blurs them again for all that is done with their contrast
    flat = _flat(region, seen.shape[-2:])
    fused, *sources = jax.lax.map(lambda image: _masked_contrast(image, flat, guard), seen)
    total = sum(jnp.square(source) for source in sources) + guard
    kept = sum(jnp.square(source) * _similarity(source, fused) for source in sources)
    equal = sum(_similarity(source, fused) for source in sources) / len(sources)
    kept = jnp.where(total > 0, kept / jnp.where(total > 0, total, 1.0), equal)
    quality = region.mean(kept)
    return jnp.where(jnp.any(constant), jnp.nan, quality)


def _see(images, region, degrees):
    """The images through the contrast sensitivity filter."""
    shape = images.shape[-2:]
    vertical, horizontal = fourier.frequencies(region, shape, half=True)
    squared = (jnp.square(vertical) + jnp.square(horizontal)) / degrees**2
    sensitivity = jnp.exp(-squared / _FINE**2) - _COARSE_GAIN * jnp.exp(-squared / _COARSE**2)
    spectra = fourier.weigh(fourier.rfft2(images, region), sensitivity[None])
    return fourier.irfft2(spectra, region, shape)


def _masked_contrast(image, flat, guard):
    """Of f32[H, W], whose mean of `flat` is what zeros beside it leave of a flat image."""
    center, surround = _blur(image, _CENTER), _blur(image, _SURROUND) + guard
    black = (jnp.abs(center) < _BLACK) & (jnp.abs(surround) < _BLACK) | (surround == 0)
    ratio = center / jnp.where(black, 1.0, surround)
    ratio = jnp.where(jnp.abs(center - flat * surround) < _FLAT, flat, ratio)
    # finite where the mean is next to nothing, and so are the squares
    contrast = jnp.where(black, 1.0, jnp.minimum(jnp.abs(ratio - 1), 1e9))
    return contrast * (jnp.square(contrast) / (jnp.square(contrast) + _MASKING))


def _similarity(first, second):
    """The smaller over the larger of f32[H, W]; 1 where both are 0."""
    larger = jnp.maximum(first, second)
    nothing = larger == 0
    return jnp.where(nothing, 1.0, jnp.minimum(first, second) / jnp.where(nothing, 1.0, larger))


def _flat(region, shape):
    """The ratio of both means of a flat picture, f32[H, W]: they differ beside its border."""
    ratios = []
    for count, side in zip(shape, region.sides, strict=True):
        ones = jnp.pad((jnp.arange(count) < side).astype(jnp.float32), _REACH)
        center, surround = (
            jnp.convolve(ones, jnp.float32(_taps(sigma)), mode="valid")
            for sigma in (_CENTER, _SURROUND)
        )
        ratios.append(center / jnp.where(surround > 0, surround, 1.0))
    return ratios[0][:, None] * ratios[1][None]


def _blur(image, sigma):
    """Zeros beside the image."""
    return filters.separable(jnp.pad(image, _REACH), _taps(sigma))


def _taps(sigma):
    """They do not sum to quite one."""
    distance = np.arange(-_REACH, _REACH + 1)
    return np.exp(-0.5 * (distance / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)
