"""Qsf: spatial frequency against that of the sources."""

import functools

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
    of_fused, reference, excess = jnp.zeros(3, jnp.float32)
    for rows, columns, weight in ((0, 1, 1.0), (1, 0, 1.0), (1, 1, _DIAGONAL), (1, -1, _DIAGONAL)):
        inner = region.shorter(0, rows).shorter(1, abs(columns))
        squares = [jnp.square(_differences(x, rows, columns)) for x in (fused, *sources)]
        largest = inner.counted(functools.reduce(jnp.maximum, squares[1:]))
        square = inner.counted(squares[0])
        of_fused += weight * jnp.sum(square)
        reference += weight * jnp.sum(largest)
        excess += weight * jnp.sum(square - largest)  # exact where the two are near
    root = safe_sqrt(reference)
    scale = root * (root + safe_sqrt(of_fused))
    flat = reference == 0
    return jnp.where(flat, jnp.nan, excess / jnp.where(flat, 1.0, scale))


def _differences(image, rows, columns):
    """Of neighbors that are so far apart."""
    height, width = image.shape
    right = max(columns, 0), max(-columns, 0)
    return (
        image[rows:, right[0] : width - right[1]]
        - image[: height - rows, right[1] : width - right[0]]
    )
