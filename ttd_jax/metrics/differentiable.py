"""Structure, gradient and intensity as training losses: smaller is better, gradients finite.

One sample, images f32[H, W] and f32[M, H, W] in any range. Gradients flow to every argument and
stay finite on constant images, where a plain square root's would not. SD, AG, EI, SF, SSIM and MSE
of this package are differentiable as they stand; the others count grays or have jumps.
"""

import chex
import jax.numpy as jnp

from ttd_jax.core.subgradients import absolute
from ttd_jax.metrics.gradient.edges import edge_strength
from ttd_jax.metrics.region import Extent, Region
from ttd_jax.metrics.structure.ssim import similarity


def ssim_loss(
    fused: chex.Array,
    sources: chex.Array,
    *,
    data_range: float,
    window: str = "gaussian",
    extent: Extent = None,
) -> chex.Array:
    """1 - mean over m of ssim(F, X_m), in 0..2.

    Args:
      fused: f32[H, W].
      sources: f32[M, H, W].
      data_range: 1 for images in [0, 1], 255 for grays.
      window: 'gaussian' (11x11, standard deviation 1.5) or 'uniform' (7x7).
      extent: i32[2], see `evaluate`.
    """
    options = {"data_range": data_range, "window": window, "extent": extent}
    return 1 - jnp.mean(similarity(fused, sources, **options))


def gradient_loss(fused: chex.Array, sources: chex.Array, *, extent: Extent = None) -> chex.Array:
    """Mean of | |grad F| - max over m of |grad X_m| |: the strongest edge should survive.

    |grad| is the length of the 3x3 Sobel vector, divided by 4, with replicated border.

    Args:
      fused: f32[H, W].
      sources: f32[M, H, W].
      extent: i32[2], see `evaluate`.
    """
    region = Region.of(fused, extent)
    own, others = (edge_strength(images, region) for images in (fused, sources))
    return _mean_distance(own, jnp.max(others, axis=0), region) / 4


def intensity_loss(fused: chex.Array, sources: chex.Array, *, extent: Extent = None) -> chex.Array:
    """Mean of |F - max over m of X_m|: the brightest source should show.

    Args:
      fused: f32[H, W].
      sources: f32[M, H, W].
      extent: i32[2], see `evaluate`.
    """
    return _mean_distance(fused, jnp.max(sources, axis=0), Region.of(fused, extent))


def _mean_distance(first, second, region):
    """Mean absolute difference, with gradient 0 where the two agree (`jnp.abs` has 1 there)."""
    return region.mean(absolute(first - second))
