"""A loss without truth for any network and any number of sources: intensity, gradient, SSIM."""

import chex
import jax
import jax.numpy as jnp

from ttd_jax.metrics import differentiable
from ttd_jax.metrics.region import Extent

WEIGHTS = {"intensity": 1.0, "gradient": 10.0, "ssim": 1.0}


def terms(fused: chex.Array, sources: chex.Array, extent: Extent = None) -> dict[str, chex.Array]:
    """Terms of one sample, averaged over the channels; see `ttd_jax.metrics.differentiable`.

    Args:
      fused: f32[H, W, C].
      sources: f32[M, H, W, C] in [0, 1], M >= 1.
      extent: see `ttd_jax.training.losses`.

    Returns:
      `intensity`, `gradient` and `ssim`, f32[]; the loss is `weigh(terms, WEIGHTS)`.
    """

    def plane(fused, sources):
        return {
            "intensity": differentiable.intensity_loss(fused, sources, extent=extent),
            "gradient": differentiable.gradient_loss(fused, sources, extent=extent),
            "ssim": differentiable.ssim_loss(fused, sources, data_range=1.0, extent=extent),
        }

    return jax.tree.map(jnp.mean, jax.vmap(plane, in_axes=-1)(fused, sources))
