"""MEF-SSIM: similarity to what a patch fused from the sources should be. Differentiable."""

import functools
import math
import operator

import chex
import jax.numpy as jnp
import numpy as np

from ttd_jax.metrics import filters, windows
from ttd_jax.metrics.inputs import prepare, safe_divide, safe_power, safe_sqrt
from ttd_jax.metrics.region import Extent, Mask, divisor
from ttd_jax.metrics.structure.ms_ssim import halved
from ttd_jax.metrics.windows import across

_SIDE = 11
_WEIGHTS = (0.0448, 0.2856, 0.3001)  # of each level, the finest first
_CONSTANT = (0.03 * 255) ** 2
_STEEPEST = 10.0  # power of strengths where the sources' patches agree
_LEAST = 0.001  # added to strengths
_EPS = float(np.finfo(np.float64).eps)


def multi_exposure_similarity(
    fused: chex.Array, sources: chex.Array, *, extent: Extent = None, mask: Mask = None
) -> chex.Array:
    """MEF-SSIM = product over three levels of (mean over the patches of q)^w, in 0..1.

    Of 11x11 patches without their means, z_m: the wanted one has the structure of sum over m of
    a_m z_m / e_m and the strength of the strongest. e_m = |z_m| + 0.001; a_m is (e_m / 11)^p, its
    share in their sum; p = tan(pi/2 R), at most 10, with R = |sum z_m| / sum |z_m| for how much
    they agree. q = (2 cov + C) / (var + var + C) of the wanted and the fused patch under a Gaussian
    window of standard deviation 1.5, C = 7.65^2. A level is the mean of 2x2 pixels of the one
    before; its w is 0.0448, 0.2856, 0.3001 over their sum. A level's mean below 0 counts for 0.

    A side of at least 44 holds patches of all levels; a smaller picture's shrink to fit.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Ma, Zeng and Wang, IEEE Trans. Image Processing 24 (2015) 3345-3356.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    figure = 1.0
    for level, weight in enumerate(_WEIGHTS):
        if level:
            fused, sources, region = halved(fused, sources, region)
        quality, windows_region = _quality(fused, sources, region)
        figure *= safe_power(windows_region.mean(quality), weight / sum(_WEIGHTS))
    return figure


def _quality(fused, sources, region):
    count = len(sources)
    side, box = region.window(_SIDE, filters.uniform)
    size = divisor(side**2)
    _, variances = windows.spread(sources, box)
    between = windows.covariances_between(sources, variances, box) if count > 1 else ()
    lengths = safe_sqrt(size * variances)
    strengths = lengths + _LEAST
    together = safe_sqrt(size * _square(jnp.ones((count, 1, 1)), variances, between))
    shares = _shares(strengths / divisor(side), together, across(operator.add, lengths))
    factors = shares / strengths
    # The wanted patch is sum over m of factors_m z_m, so its moments are sums of the sources'.
    length = safe_sqrt(size * _square(factors, variances, between))
    strongest = across(jnp.maximum, strengths)
    factors *= jnp.where(length > 0, safe_divide(strongest, length), 1.0)[None]
    _, taps = region.window(_SIDE, functools.partial(filters.gaussian, sigma=1.5))
    _, variances, covariances = windows.statistics(fused, sources, taps)
    own, variances = variances[0], variances[1:]
    between = windows.covariances_between(sources, variances, taps) if count > 1 else ()
    covariance = across(operator.add, factors * covariances)
    wanted = _square(factors, variances, between)
    quality = (2 * covariance + _CONSTANT) / (wanted + own + _CONSTANT)
    return quality, region.windows(side)


def _shares(strengths, together, apart):
    """Each source's, f32[M, h, w]; they sum to 1."""
    agreement = jnp.where(apart > 0, safe_divide(together, apart), 1.0)
    steepest = math.atan(_STEEPEST) * 2 / math.pi
    power = jnp.tan(math.pi / 2 * jnp.minimum(agreement, steepest))
    shares = strengths ** power[None] + _EPS
    return shares / across(operator.add, shares)[None]


def _square(factors, variances, between):
    """Variance of sum over m of factors_m z_m, f32[h, w]."""
    square = across(operator.add, jnp.square(factors) * variances)
    if len(factors) > 1:
        first, second = windows.couples(factors)
        square += 2 * across(operator.add, first * second * between)
    return jnp.maximum(square, 0.0)
