"""Local statistics under a window, each of them as exact as float32 can be.

Sums of squares of grays leave noise of 1e-3 in a variance, more than many a true one, and metrics
that divide by variances take it for structure. Here each sum is one of differences from the
window's own middle: a flat window has variance 0 whatever its gray, and other ones are right to
six digits.
"""

import functools
import itertools
import operator
from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from ttd_jax.errors import UserError
from ttd_jax.metrics import filters
from ttd_jax.metrics.region import Region, divisor

Constants = tuple[float, float]  # those of SSIM's luminance and structure, C1 and C2


def window_taps(window: str, region: Region) -> tuple[chex.Numeric, chex.Array]:
    """Side and taps of the window that a name means; a smaller picture gets the largest that fits.

    Args:
      window: 'gaussian SIZE/DEVIATION' or 'box SIZE', as in 'gaussian 11/1.5'.
      region: of the pictures; see `Region.window`.

    Raises:
      UserError: another window.
    """
    kind, _, numbers = window.partition(" ")
    size, _, deviation = numbers.partition("/")
    try:
        makes = {
            "gaussian": lambda: functools.partial(filters.gaussian, sigma=float(deviation)),
            "box": lambda: filters.uniform,
        }
        return region.window(int(size), makes[kind]())
    except (KeyError, ValueError):
        raise UserError(f"no window {window!r}: 'gaussian 11/1.5' or 'box 8'") from None


def spread(images: chex.Array, taps: chex.Array) -> tuple[chex.Array, chex.Array]:
    """Means and variances of images under a window.

    Args:
      images: f32[P, H, W].
      taps: weights of one axis of the window; see `filters.separable`.

    Returns:
      f32[P, h, w] each, 'valid'; for taps that are data, windows begin at all pixels.
    """
    columns = _shifted(images, taps, -1)
    middle = _middle(columns, taps)
    differences = [column - middle for column in columns]
    beside = _sum(taps, differences)
    variances = _sum(taps, map(jnp.square, differences)) - jnp.square(beside)
    # A window's variance is the mean of its rows', and the variance of their means.
    beside, variances = filters.apart((beside, variances))
    middles, besides = _shifted(middle, taps, -2), _shifted(beside, taps, -2)
    middle, beside = _middle(middles, taps), _middle(besides, taps)
    differences = [
        (row - middle) + (mean - beside) for row, mean in zip(middles, besides, strict=True)
    ]
    shift = _sum(taps, differences)
    squares = map(jnp.square, differences)
    seconds = map(operator.add, _shifted(variances, taps, -2), squares)
    return filters.apart((middle + (beside + shift), _sum(taps, seconds) - jnp.square(shift)))


def statistics(
    fused: chex.Array, sources: chex.Array, taps: chex.Array
) -> tuple[chex.Array, chex.Array, chex.Array]:
    """Means and variances of F and every X_m, and F's covariances with them, under a window.

    Args:
      fused: f32[H, W].
      sources: f32[M, H, W].
      taps: see `spread`.

    Returns:
      f32[1 + M, h, w] twice, and f32[M, h, w].
    """
    count = len(sources) + 1
    images = jnp.concatenate([fused[None], sources, fused[None] - sources])
    means, variances = spread(images, taps)
    own, others, of_differences = variances[:1], variances[1:count], variances[count:]
    return means[:count], variances[:count], (own + others - of_differences) / 2


def covariances_between(sources: chex.Array, variances: chex.Array, taps: chex.Array) -> chex.Array:
    """Covariance of every two sources under a window.

    Args:
      sources: f32[M, H, W], M > 1.
      variances: f32[M, h, w], theirs.
      taps: see `spread`.

    Returns:
      f32[M (M - 1) / 2, h, w], in the order of `itertools.combinations`.
    """
    first, second = couples(sources)
    _, of_differences = spread(first - second, taps)
    own, others = couples(variances)
    return (own + others - of_differences) / 2


def couples(x: chex.Array) -> tuple[chex.Array, chex.Array]:
    """Both of every two of arrays f32[M, ...], M > 1: f32[M (M - 1) / 2, ...] twice."""
    every = list(itertools.combinations(x, 2))
    return jnp.stack([first for first, _ in every]), jnp.stack([second for _, second in every])


def across(operation: Callable, x: chex.Array) -> chex.Array:
    """An operation on M arrays f32[M, ...], one after the other: f32[...].

    XLA's CPU compiler reduces a leading axis ten times as slowly.
    """
    return functools.reduce(operation, x)


def similarity(
    means: tuple[chex.Array, chex.Array],
    variances: tuple[chex.Array, chex.Array],
    covariance: chex.Array,
    constants: Constants,
) -> chex.Array:
    """SSIM of two pictures from their local statistics f32[...], window by window."""
    c1, c2 = constants
    luminance = (2 * means[0] * means[1] + c1) / (sum(map(jnp.square, means)) + c1)
    return luminance * (2 * covariance + c2) / (sum(variances) + c2)


def _shifted(images, taps, axis):
    """The images [..., H, W] as each of the taps sees them along an axis."""
    axis += images.ndim
    if isinstance(taps, jax.Array):
        margins = [(0, (len(taps) - 1) * (axis == other)) for other in range(images.ndim)]
        images = jnp.pad(images, margins)
    length = images.shape[axis] - len(taps) + 1
    return [
        jax.lax.slice_in_dim(images, start, start + length, 1, axis) for start in range(len(taps))
    ]


def _middle(shifted, taps):
    if not isinstance(taps, jax.Array):
        return shifted[len(taps) // 2]
    side = jnp.sum(taps > 0)
    return _sum((jnp.arange(len(taps)) == side // 2).astype(jnp.float32), shifted)


def _sum(taps, terms):
    known = not isinstance(taps, jax.Array)
    terms = ((float(tap) if known else tap) * term for tap, term in zip(taps, terms, strict=True))
    return functools.reduce(operator.add, terms)


def mean_where(where: chex.Array, x: chex.Array, region: Region) -> chex.Array:
    """Mean of an array [h, w] where it is judged and bool[h, w] says so, NaN where nothing is."""
    count = jnp.sum(region.counted(where, beside=False))
    total = jnp.sum(region.counted(jnp.where(where, x, 0.0)))
    return jnp.where(count == 0, jnp.nan, total / divisor(count))
