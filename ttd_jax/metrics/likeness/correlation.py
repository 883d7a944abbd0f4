"""SCD, CC: correlations with the sources."""

import chex
import jax.numpy as jnp

from ttd_jax.metrics.inputs import prepare
from ttd_jax.metrics.moments import correlate
from ttd_jax.metrics.region import Extent, Mask


def sum_of_correlations_of_differences(
    fused: chex.Array,
    sources: chex.Array,
    *,
    strict: bool = False,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """SCD = sum over m of corr(F - mean of the other sources, X_m), in -M..M.

    For two sources corr(F - B, A) + corr(F - A, B); for a single one corr(F, A).

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      strict: NaN where a constant image leaves 0 / 0, in place of 0.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Aslantas and Bendes, AEU Int. J. Electronics and Communications 69 (2015) 1890-1896.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    total = sum(sources)  # plane by plane: a sum over the leading axis takes XLA ten times longer
    others = (total[None] - sources) / max(sources.shape[0] - 1, 1)
    return jnp.sum(correlate(fused[None] - others, sources, region, strict=strict))


def correlation(
    fused: chex.Array,
    sources: chex.Array,
    *,
    strict: bool = False,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """CC: mean over m of corr(F, X_m), in -1..1; a constant image correlates 0 with anything.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      strict: NaN where a constant image leaves 0 / 0, in place of 0.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Ma et al., Information Fusion 45 (2019) 153-178.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    return jnp.mean(correlate(fused[None], sources, region, strict=strict))
