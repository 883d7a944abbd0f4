"""Qc: similarity to the sources, weighted by what the fused picture has in common with each."""

import operator

import chex
import jax.numpy as jnp

from ttd_jax.metrics import windows
from ttd_jax.metrics.inputs import prepare, safe_divide
from ttd_jax.metrics.region import Extent, Mask
from ttd_jax.metrics.windows import across

_CONSTANTS = (2e-16, 2e-16)


def cvejic_quality(
    fused: chex.Array,
    sources: chex.Array,
    *,
    window: str = "box 8",
    constants: windows.Constants = _CONSTANTS,
    outside: str = "clip",
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """Qc = mean over the windows of sum over m of t_m S(F, X_m), nearly in 0..1.

    t_m is the source's share in the sum of the covariances with F. Covariances of both signs put
    shares outside of 0..1:

    'clip': those are taken for 0 or 1, and t_m for equal where F varies with no source;
    'decide': the whole window counts 0 where the first source's share is below 0, and 1 where it
    is above 1; windows where F varies with no source do not count, NaN where none does.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      window: see `window_taps`.
      constants: C1 and C2 of S, the structural similarity.
      outside: see above.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit, another window.

    Reference: Cvejic et al., Int. J. Signal Process. 2 (2006) 178-182.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    side, taps = windows.window_taps(window, region)
    means, variances, covariances = windows.statistics(fused, sources, taps)
    kept = windows.similarity(
        (means[:1], means[1:]), (variances[:1], variances[1:]), covariances, constants
    )
    region = region.windows(side)
    # The shares with numerators and denominator of the signs for which their sum is not negative.
    total = across(operator.add, covariances)[None]
    shares = jnp.where(total < 0, -covariances, covariances)
    if outside == "clip":
        shares = jnp.maximum(shares, 0.0)
        total = across(operator.add, shares)[None]
        shares = jnp.where(total > 0, safe_divide(shares, total), 1 / len(sources))
        return region.mean(across(operator.add, shares * kept))
    total = jnp.abs(total[0])
    quality = safe_divide(across(operator.add, shares * kept), total)
    quality = jnp.where(shares[0] > total, 1.0, quality)
    quality = jnp.where(shares[0] < 0, 0.0, quality)
    return windows.mean_where(across(operator.or_, covariances != 0), quality, region)
