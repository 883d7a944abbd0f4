"""Qp: how well the features of the sources, by phase congruency, are found in the fused picture."""

import functools

import chex
import jax
import jax.numpy as jnp

from ttd_jax.metrics import filters
from ttd_jax.metrics.gradient.phase_congruency import phase_congruency
from ttd_jax.metrics.inputs import prepare, safe_sqrt
from ttd_jax.metrics.region import Extent, Mask, divisor

_FEATURE = 0.1  # congruency above it
_SIDE, _SIGMA = 11, 1.5
_EPSILON = 1e-4


def phase_congruency_preservation(
    fused: chex.Array,
    sources: chex.Array,
    *,
    low_pass: str = "centered",
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """Qp = product over phase congruency, its largest and smallest moment, of mean correlations.

    Each source X, and the picture that has all three of the source of largest congruency, is set to
    0 outside of its features, where its congruency is above 0.1. Over 11x11 Gaussian windows of
    standard deviation 1.5, zeros beside the picture, its correlation with F is (cov + 1e-4) /
    (sd_X sd_F + 1e-4) in its features and 0 beside; the largest of a pixel counts, and the mean is
    over the features of any source. About 0..1.

    NaN where no source has a feature. A constant picture has no congruency, where the programs
    have 0 / 0.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      low_pass: see `phase_congruency`.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Zhao, Laganiere and Liu, Int. J. Innov. Comput. Inf. Control 3 (2007) 1433-1447.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    images = jnp.concatenate([fused[None], sources])
    maps = region.keep(phase_congruency(images, region, low_pass=low_pass))
    largest = maps[:, 1]
    for source in range(2, len(images)):
        largest = jnp.where(largest[0] > maps[0, source], largest, maps[:, source])
    features = jnp.concatenate([maps[0, 1:], largest[:1]]) > _FEATURE

    def of_one(maps):
        images, largest = maps
        candidates = jnp.where(features, jnp.concatenate([images[1:], largest[None]]), 0.0)
        correlations = _correlate(candidates, images[0])
        found = (
            jnp.where(feature, correlation, 0.0)
            for feature, correlation in zip(features, correlations, strict=True)
        )
        return jnp.sum(region.counted(functools.reduce(jnp.maximum, found)))

    # one after another, in a third of the memory
    sums = jax.lax.map(of_one, (maps, largest))
    count = jnp.sum(region.counted(features[-1], False), dtype=jnp.int32)
    return jnp.where(count > 0, jnp.prod(sums / divisor(count)), jnp.nan)


def _correlate(images, fused):
    """Of f32[N, H, W] with all of f32[H, W], N times f32[H, W]."""
    maps = (fused[None], images, jnp.square(fused)[None], jnp.square(images), fused[None] * images)
    # a loop: XLA would filter again for each use
    fused_mean, *maps = jax.lax.map(_filter, jnp.concatenate(maps))
    count = len(images)
    means, fused_square = maps[:count], maps[count]
    squares, products = maps[count + 1 : 2 * count + 1], maps[2 * count + 1 :]
    for mean, square, product in zip(means, squares, products, strict=True):
        variance = (fused_square - jnp.square(fused_mean)) * (square - jnp.square(mean))
        covariance = product - fused_mean * mean
        yield (covariance + _EPSILON) / (safe_sqrt(jnp.abs(variance)) + _EPSILON)


def _filter(image):
    return filters.separable(jnp.pad(image, _SIDE // 2), filters.gaussian(_SIDE, _SIGMA))
