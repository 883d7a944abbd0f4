"""Qy: similarity to the sources where they agree, to the more similar one where they do not."""

import operator

import chex
import jax.numpy as jnp

from ttd_jax.metrics import windows
from ttd_jax.metrics.inputs import prepare, safe_divide
from ttd_jax.metrics.region import Extent, Mask
from ttd_jax.metrics.windows import across

_CONSTANTS = (2e-16, 2e-16)


def yang_quality(
    fused: chex.Array,
    sources: chex.Array,
    *,
    window: str = "gaussian 7/1.5",
    constants: windows.Constants = _CONSTANTS,
    agree: float = 0.75,
    black: str = "count",
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """Qy: mean over the windows of their quality, at most 1.

    Where every two sources are similar, S(X_m, X_n) >= 0.75, the quality is sum over m of
    l_m S(F, X_m), l_m being the source's share in the sources' variances (equal ones where all are
    flat); elsewhere it is the largest S(F, X_m). One source is similar to itself.

    NaN where no window counts: with black='skip', where all sources are black.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      window: see `window_taps`.
      constants: C1 and C2 of S.
      agree: what S of two sources that are similar is at least.
      black: windows in which all sources are black, 'count' as flat ones or 'skip'.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit, another window.

    Reference: Yang et al., Inf. Fusion 9 (2008) 156-160.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    side, taps = windows.window_taps(window, region)
    means, variances, covariances = windows.statistics(fused, sources, taps)
    kept = windows.similarity(
        (means[:1], means[1:]), (variances[:1], variances[1:]), covariances, constants
    )
    total = across(operator.add, variances[1:])[None]
    shares = jnp.where(total > 0, safe_divide(variances[1:], total), 1 / len(sources))
    quality = across(operator.add, shares * kept)
    if len(sources) > 1:
        among = windows.similarity(
            windows.couples(means[1:]),
            windows.couples(variances[1:]),
            windows.covariances_between(sources, variances[1:], taps),
            constants,
        )
        quality = jnp.where(across(jnp.minimum, among) >= agree, quality, across(jnp.maximum, kept))
    region = region.windows(side)
    if black == "count":
        return region.mean(quality)
    seen = (total[0] > 0) | (across(jnp.maximum, means[1:]) > 0)
    return windows.mean_where(seen, quality, region)
