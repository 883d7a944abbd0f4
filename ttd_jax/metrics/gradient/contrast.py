"""SD: how far the grays spread."""

import chex

from ttd_jax.metrics.inputs import Sources, prepare, safe_sqrt
from ttd_jax.metrics.moments import covariance
from ttd_jax.metrics.region import Extent, Mask


def standard_deviation(
    fused: chex.Array,
    sources: Sources = None,
    *,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """SD: population standard deviation, in 0..127.5; differentiable.

    Args:
      fused: f32[H, W], grays in 0..255.
      sources: f32[M, H, W] or None: nothing but its shape is looked at.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Rao, Meas. Sci. Technol. 8 (1997) 355-367.
    """
    fused, _, region = prepare(fused, sources, extent, mask)
    return safe_sqrt(covariance(fused, fused, region))
