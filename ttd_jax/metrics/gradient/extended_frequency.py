"""Qsf: spatial frequency against that of the sources."""

import chex
import jax.numpy as jnp

from ttd_jax.metrics.inputs import prepare, safe_sqrt
from ttd_jax.metrics.region import Extent, Mask

_DIAGONAL = 0.5**0.5  # weight of differences of diagonal neighbors: one over their distance


def spatial_frequency_error(
    fused: chex.Array, sources: chex.Array, *, extent: Extent = None, mask: Mask = None
) -> chex.Array:
    """Qsf = SF(F) / SF(R) - 1, of row, column and both diagonal differences; best is 0.

    R is what the sources hold: of their differences at a pixel the largest. Below 0 the fused image
    is smoother, at -1 constant; above 0 it is noisier. NaN where all sources are constant.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Zheng et al., Information Fusion 8 (2007) 177-192.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    images = jnp.concatenate([fused[None], sources])
    down, right = images[:, 1:], images[:, :, 1:]
    of_fused, reference, excess = jnp.zeros(3)
    for differences, axes, weight in (
        (right - images[:, :, :-1], (1,), 1.0),
        (down - images[:, :-1], (0,), 1.0),
        (down[:, :, 1:] - images[:, :-1, :-1], (0, 1), _DIAGONAL),
        (down[:, :, :-1] - right[:, :-1], (0, 1), _DIAGONAL),
    ):
        inner = region
        for axis in axes:
            inner = inner.shorter(axis, 1)
        squares = inner.counted(jnp.square(differences))
        largest = jnp.max(squares[1:], axis=0)
        of_fused += weight * jnp.sum(squares[0])
        reference += weight * jnp.sum(largest)
        excess += weight * jnp.sum(squares[0] - largest)  # exact where the two are near
    root = safe_sqrt(reference)
    scale = root * (root + safe_sqrt(of_fused))
    flat = reference == 0
    return jnp.where(flat, jnp.nan, excess / jnp.where(flat, 1.0, scale))
