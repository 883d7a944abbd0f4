"""VIFF: visual information fidelity for fusion."""

import math

import chex
import jax.numpy as jnp

from ttd_jax.metrics import filters, windows
from ttd_jax.metrics.inputs import offset, prepare
from ttd_jax.metrics.region import Extent, Mask, divisor

# The window of each scale, the finest first, and its weight; its deviation is a fifth of its size.
_SCALES = ((17, 1.0), (9, 0.0), (5, 0.15), (3, 1.0))
_NOISE = 0.005 * 255**2  # variance of the visual noise
_TINY, _LEAST = 1e-10, 1e-7


def fusion_information_fidelity(
    fused: chex.Array, sources: chex.Array, *, extent: Extent = None, mask: Mask = None
) -> chex.Array:
    """VIFF = sum over scales of w sum(N + 1e-7) / sum(D + 1e-7), at least 0, 1 for equal pictures.

    Four scales, Gaussian windows of 17, 9, 5 and 3 pixels, 'valid', from the second scale on of
    pictures smoothed with the scale's window, every second pixel kept; w is 1, 0, 0.15, 1 over
    their sum. Each window is F = g X + error; N = log10(1 + g^2 var X / (var error + noise)) is the
    information that reached F, D = log10(1 + var X / noise) what there was, with noise 325, of the
    source with the smallest g (of equal ones the last): the one least seen in F.

    Below 41 pixels a side some window is larger than its scale: it shrinks to the largest odd size
    that fits.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Han, Cai, Cao and Xu, Inf. Fusion 14 (2013) 127-135.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    images = jnp.concatenate([fused[None], sources])
    images = images - offset(images, region)
    figure = 0.0
    for scale, (size, weight) in enumerate(_SCALES):
        if scale:
            side, taps = region.window(size, _taps)
            images = filters.separable(images, taps, stride=2)
            region = region.windows(side, stride=2)
        if weight:
            side, taps = region.window(size, _taps)
            kept, given = _information(images, taps, region.windows(side))
            figure += weight * kept / given
    return figure / sum(weight for _, weight in _SCALES)


def _taps(side):
    return filters.gaussian(side, side / 5)


def _information(images, taps, region):
    """Sums over the windows of N and of D, f32[] each."""
    _, variances, covariances = windows.statistics(images[0], images[1:], taps)
    fused, sources = variances[:1], variances[1:]
    related = (sources >= _TINY) & (fused >= _TINY) & (covariances > 0)
    gains = jnp.where(related, covariances / (sources + _TINY), 0.0)
    errors = jnp.maximum(fused - gains * covariances, _TINY)
    kept = jnp.square(gains) * sources / (errors + _NOISE)
    least, own, had = gains[0], kept[0], sources[0]
    for gain, other, variance in zip(gains[1:], kept[1:], sources[1:], strict=True):
        lesser = gain <= least
        least = jnp.where(lesser, gain, least)
        own, had = jnp.where(lesser, other, own), jnp.where(lesser, variance, had)
    information = jnp.stack([own, had / _NOISE])
    # XLA vectorizes logarithms of what is masked, but not what is masked of logarithms.
    bits = jnp.log1p(region.counted(information)) / math.log(10)
    return region.told(jnp.sum(bits, axis=(-2, -1)) + _LEAST * divisor(region.size))
