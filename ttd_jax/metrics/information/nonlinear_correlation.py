"""Qncie: how much all pictures together have in common."""

import math

import chex
import jax.numpy as jnp
import numpy as np

from ttd_jax.metrics.histogram import LEVELS
from ttd_jax.metrics.information.joint import (
    joint_of_sources,
    joint_with_fused,
    shared_information,
    stretched_levels,
)
from ttd_jax.metrics.inputs import prepare
from ttd_jax.metrics.moments import correlate
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
    joints = joint_with_fused(fused, sources, region), joint_of_sources(sources, region)
    shared = jnp.concatenate([shared_information(joint, joint) for joint in joints])
    shares = _shares(shared / math.log(LEVELS), len(sources) + 1)
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
    images = jnp.concatenate([fused[None], sources])
    first, second = np.triu_indices(len(images), 1)
    shares = _shares(correlate(images[first], images[second], region), len(images))
    constant = jnp.isnan(correlate(images[first], images[second], region, strict=True)).any()
    return jnp.where(constant | (jnp.min(shares) < _SAME), jnp.nan, 1 + _entropy(shares))


def _shares(shared, count):
    """Eigenvalues over their number, f32[count], of a matrix of which one half is given by rows."""
    half = np.zeros((count, count), int)
    half[np.triu_indices(count, 1)] = np.arange(len(shared))
    matrix = jnp.where(np.eye(count, dtype=bool), 1.0, shared[half + half.T])
    return jnp.linalg.eigvalsh(matrix) / count


def _entropy(shares):
    """Below 0, to the base of 256."""
    positive = shares > 0
    return jnp.sum(shares * jnp.log(jnp.where(positive, shares, 1.0))) / math.log(LEVELS)
