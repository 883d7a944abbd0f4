"""Qm: how much of the sources' wavelet detail is in the fused picture. Differentiable."""

import operator

import chex
import jax.numpy as jnp

from ttd_jax.metrics.inputs import prepare, safe_divide, safe_power
from ttd_jax.metrics.region import Extent, Mask
from ttd_jax.metrics.windows import across

_POWERS = (2 / 3, 1 / 3)  # of each level, the finest first


def wavelet_quality(
    fused: chex.Array, sources: chex.Array, *, extent: Extent = None, mask: Mask = None
) -> chex.Array:
    """Qm = Q_1^(2/3) Q_2^(1/3), in 0..3; 3 where the fused picture equals every source.

    Q_i = sum over m and places of E_m W_m over the sum of W_m, at level i of an orthonormal Haar
    transform: E_m is the sum over its three bands of detail of exp(-|d_m - d_F|), W_m that of
    d_m^2. The last row or column of an odd side is left out.

    NaN where a level of no source has any detail: constant sources, a side below 4.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Wang and Liu, ICSP 2008, 965-968.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    images = jnp.concatenate([fused[None], sources])
    figure, undefined = 1.0, False
    for power in _POWERS:
        images, details = _haar(images)
        region = region.windows(2, stride=2)
        own, others = details[:, :1], details[:, 1:]
        kept = across(operator.add, jnp.exp(-jnp.abs(others - own)))
        weight = across(operator.add, jnp.square(others))
        above, below = jnp.sum(region.counted(kept * weight)), jnp.sum(region.counted(weight))
        figure *= safe_power(safe_divide(above, below), power)
        undefined |= below == 0
    return jnp.where(undefined, jnp.nan, figure)


def _haar(images):
    """Twice the averages of blocks of 2x2, f32[P, h, w], and their details, f32[3, P, h, w]."""
    height, width = (side // 2 * 2 for side in images.shape[-2:])
    rows = images[:, 0:height:2], images[:, 1:height:2]
    bands = []
    for row in (rows[0] + rows[1], rows[0] - rows[1]):
        columns = row[:, :, 0:width:2], row[:, :, 1:width:2]
        bands += [(columns[0] + columns[1]) / 2, (columns[0] - columns[1]) / 2]
    return bands[0], jnp.stack(bands[1:])
