"""Qncie: how much all pictures together have in common."""

import chex
import jax.numpy as jnp

from ttd_jax.metrics.histogram import LEVELS
from ttd_jax.metrics.information.joint import (
    joint_of_sources,
    joint_with_fused,
    shared_information,
    stretched_levels,
)
from ttd_jax.metrics.inputs import prepare
from ttd_jax.metrics.moments import correlate, covariance
from ttd_jax.metrics.region import Extent, Mask

_SAME = 1e-6  # an eigenvalue below it is none: float32 leaves 1e-7 where images are the same


def nonlinear_correlation_entropy(
    fused: chex.Array,
    sources: chex.Array,
    *,
    stretch: bool = False,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """Qncie = 1 + sum of l log256 l over the eigenvalues of a matrix divided by their number M + 1.

    The matrix holds I(X; Y) / ln 256 of every two of all images, and ones: 1 - log256(M + 1), 0.80
    for two sources, where they have nothing in common, and at most 1.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      stretch: images are stretched to 0..255 first. That changes no information, but leaves NaN
        where an image is constant and not black.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Wang, Shen and Jin, Image Fusion: Algorithms and Applications (2008) 469-492.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    with_fused = shared_information(joint_with_fused(fused, sources, region))
    of_sources = shared_information(joint_of_sources(sources, region))
    shares = _shares(with_fused / jnp.log(LEVELS), of_sources / jnp.log(LEVELS))
    images = jnp.concatenate([fused[None], sources])
    undefined = jnp.any(stretched_levels(images, region)[1]) & stretch
    return jnp.where(undefined, jnp.nan, 1 + _entropy(shares))


def correlation_entropy(
    fused: chex.Array, sources: chex.Array, *, extent: Extent = None, mask: Mask = None
) -> chex.Array:
    """Qncie with Pearson's correlations in place of information: another quantity, in 0..1.

    NaN where two images are the same but for brightness and contrast, or one is constant.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    first, second = jnp.triu_indices(len(sources), 1)
    with_fused = correlate(fused[None], sources, region)
    shares = _shares(with_fused, correlate(sources[first], sources[second], region))
    images = jnp.concatenate([fused[None], sources])
    constant = jnp.any(covariance(images, images, region) < 1e-9)
    return jnp.where(constant | (jnp.min(shares) < _SAME), jnp.nan, 1 + _entropy(shares))


def _shares(with_fused, of_sources):
    """Eigenvalues over their number, f32[M + 1], of a matrix of which its halves are given."""
    count = len(with_fused) + 1
    rows = jnp.triu_indices(count, 1)
    half = jnp.zeros((count, count)).at[rows].set(jnp.concatenate([with_fused, of_sources]))
    return jnp.linalg.eigvalsh(half + half.T + jnp.eye(count)) / count


def _entropy(shares):
    """Below 0, to the base of 256."""
    positive = shares > 0
    return jnp.sum(shares * jnp.log(jnp.where(positive, shares, 1.0))) / jnp.log(LEVELS)
