"""Qo, Qw and Qe: similarity to the sources, weighted by how salient they are. Differentiable."""

import operator

import chex
import jax.numpy as jnp

from ttd_jax.metrics import filters, windows
from ttd_jax.metrics.inputs import prepare, safe_divide, safe_sqrt
from ttd_jax.metrics.region import Extent, Mask
from ttd_jax.metrics.windows import across

_CONSTANTS = ((1e-6 * 255) ** 2, (1e-6 * 255) ** 2)  # nearly none: Wang and Bovik's index Q
_FLAT = 0.5  # what every source's variance is taken for where all of them are flat


def average_quality(
    fused: chex.Array,
    sources: chex.Array,
    *,
    window: str = "box 8",
    constants: windows.Constants = _CONSTANTS,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """Qo = mean over the windows of sum over m of l_m S(F, X_m), at most 1.

    l_m is the source's share in the sources' variances (equal ones where all are flat), S the
    structural similarity.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      window: see `window_taps`.
      constants: C1 and C2 of S.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit, another window.

    Reference: Piella and Heijmans, ICIP 2003, 173-176.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    quality, _, region = _quality(fused, sources, region, window, constants)
    return region.mean(quality)


def weighted_quality(
    fused: chex.Array,
    sources: chex.Array,
    *,
    of: str = "grays",
    window: str = "box 8",
    constants: windows.Constants = _CONSTANTS,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """Qw: as Qo, windows weighing as much as the largest of the sources' variances; at most 1.

    Where all sources are flat that is 1/2.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      of: 'grays', or 'edges': of the pictures' Prewitt strengths, zeros beside the picture.
      window, constants: see `average_quality`.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit, another window.

    Reference: Piella and Heijmans, ICIP 2003, 173-176.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    if of == "edges":
        strengths = _prewitt(jnp.concatenate([fused[None], sources]))
        fused, sources = strengths[0], strengths[1:]
    quality, salience, region = _quality(fused, sources, region, window, constants)
    total = jnp.sum(region.counted(quality * salience))
    return region.told(safe_divide(total, jnp.sum(region.counted(salience))))


def edge_dependent_quality(
    fused: chex.Array,
    sources: chex.Array,
    *,
    alpha: float = 1.0,
    window: str = "box 8",
    constants: windows.Constants = _CONSTANTS,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """Qe = Qw of the grays, times Qw of the edges to the power of alpha; at most 1.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      alpha: how much the edges count; a negative Qw of theirs gives NaN where that is no integer.
      window, constants: see `average_quality`.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit, another window.

    Reference: Piella and Heijmans, ICIP 2003, 173-176.
    """
    options = {"window": window, "constants": constants, "extent": extent, "mask": mask}
    whole = weighted_quality(fused, sources, **options)
    # one after the other, in the same memory
    fused, sources, whole = filters.apart((fused, sources, whole))
    return whole * weighted_quality(fused, sources, of="edges", **options) ** alpha


def _prewitt(images):
    along_x, along_y = filters.sobel(images, border="constant", middle=1.0)
    return filters.apart(safe_sqrt(jnp.square(along_x) + jnp.square(along_y)))


def _quality(fused, sources, region, window, constants):
    """Quality and salience of each window, f32[h, w] each, and where they count."""
    side, taps = windows.window_taps(window, region)
    means, variances, covariances = windows.statistics(fused, sources, taps)
    similarities = windows.similarity(
        (means[:1], means[1:]), (variances[:1], variances[1:]), covariances, constants
    )
    flat = across(operator.add, variances[1:]) == 0
    saliences = variances[1:] + jnp.where(flat, _FLAT, 0.0)[None]
    quality = across(operator.add, saliences * similarities) / across(operator.add, saliences)
    return quality, across(jnp.maximum, saliences), region.windows(side)
