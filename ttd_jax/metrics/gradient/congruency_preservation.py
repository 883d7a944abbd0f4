"""Qp: how well the features of the sources, by phase congruency, are found in the fused picture."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

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
    fused, *sources = phase_congruency(images, region, low_pass=low_pass)
    largest = sources[0]
    for source in sources[1:]:
        largest = jnp.where(largest[0] > source[0], largest, source)
    candidates = jnp.stack([*sources, largest])
    features = region.keep(candidates[:, 0] > _FEATURE, False)

    def of_one(maps):
        first, second = maps
        correlations = jnp.where(features, _correlate(first, second, features, region), 0.0)
        return jnp.sum(region.counted(jnp.max(correlations, axis=0)))

    # one after another, in a third of the memory
    sums = jax.lax.map(of_one, (jnp.swapaxes(candidates, 0, 1), fused))
    count = jnp.sum(region.counted(features[-1], False), dtype=jnp.int32)
    return jnp.where(count > 0, jnp.prod(sums / divisor(count)), jnp.nan)


def _correlate(images, fused, features, region):
    """Of f32[N, H, W] where they have features with all of f32[H, W], f32[N, H, W]."""
    images, fused = jnp.where(features, images, 0.0), region.keep(fused)[None]
    maps = jnp.concatenate([fused, images, jnp.square(fused), jnp.square(images), fused * images])
    margin = _SIDE // 2
    maps = jnp.pad(maps, [(0, 0), (margin, margin), (margin, margin)])
    maps = filters.separable(maps, filters.gaussian(_SIDE, _SIGMA))
    count = len(images)
    fused_mean, means, fused_square, squares, products = jnp.split(
        maps, np.cumsum([1, count, 1, count])
    )
    variance = jnp.abs((fused_square - jnp.square(fused_mean)) * (squares - jnp.square(means)))
    covariance = products - fused_mean * means
    return (covariance + _EPSILON) / (safe_sqrt(variance) + _EPSILON)
