"""The temperature of RD chosen at test time, on the image itself.

The one part of Theorem 3.1's bound that the weights decide is sum_m Cov(RD_m(t), l_m). Because
eq. 6 is a softmax of an exponential, t -> 0 and t -> infinity both give uniform weights, where
that sum is zero (unless losses of exactly zero keep RD apart): in between lies a best t.

Source: Cao et al., "Test-Time Dynamic Image Fusion", NeurIPS 2024, Theorem 3.1 and eq. 6. The
choice of t by it is ours; the paper fixes t.
"""

import chex
import jax
import jax.numpy as jnp

from ttd_jax.core.dominability import relative_dominability
from ttd_jax.core.means import masked_mean
from ttd_jax.core.theory import covariance
from ttd_jax.errors import UserError

# The default range of t: from RD all but uniform where the loss is largest, to RD all but uniform
# wherever the loss is not far below its mean.
_LEAST_EXPONENT = 1e-2
_GREATEST_EXPONENT = 1e4

_GOLDEN = (5**0.5 - 1) / 2


def choose_temperature(
    losses: chex.Array,
    *,
    judged: chex.Array | None = None,
    bounds: tuple[float, float] | None = None,
    points: int = 33,
    steps: int = 12,
    where: chex.Array | None = None,
) -> tuple[chex.Array, chex.Array]:
    """The t with the least sum_m Cov(RD_m(t), l_m): a log-spaced grid, then golden sections.

    Elementwise work of a fixed shape, `points + steps + 5` evaluations of RD in turn: it can be
    jitted and vmapped, and stores a few maps at a time. Losses c times as large give t / c.

    To fuse with a t found here pass `losses=t * losses` to `dynamic_fuse`, and settings whose
    temperature is one: settings are static, and RD depends on t and the losses by their product.

    Args:
      losses: f32[M, ...], non-negative: what RD is made of.
      judged: f32[M, ...], the losses in the covariance; by default `losses`. The theorem's are
        |c_m - x_m|.
      bounds: least and greatest t, positive. By default 0.01 / max(losses) to 1e4 / mean(losses).
      points: of the grid, 3 or more, both ends included.
      steps: golden sections of the two intervals about the best grid point.
      where: bool[...], which pixels count; None for all.

    Returns:
      `(t, value)`, f32[] both: the temperature and its sum of covariances; no point of the grid has
      a lesser one. Where no t gets below zero by more than rounding (constant losses; losses that
      fall where `judged` rises) t is the least of the range, where RD is nearly uniform, and the
      value there about zero. Both are finite if the losses are.

    Raises:
      UserError: for a range that is empty or not positive, or less than three points.

    Example:
      >>> losses = jnp.stack([jnp.linspace(0, 1, 16).reshape(4, 4), jnp.full((4, 4), 0.5)])
      >>> t, value = jax.jit(choose_temperature)(losses)
      >>> bool(t > 0), bool(value < 0)
      (True, True)

    Reference: the paper's Theorem 3.1 and eq. 6.
    """
    if bounds is not None and not 0 < bounds[0] < bounds[1]:
        raise UserError(f"bounds must be two rising positive temperatures, got {bounds}")
    if points < 3:
        raise UserError(f"points must be 3 or more, got {points}")
    judged = losses if judged is None else judged
    chex.assert_equal_shape([losses, judged])

    def value_at(log_t):
        # RD of t times the losses at temperature one: t may be traced, settings are static.
        rd = relative_dominability(jnp.exp(log_t) * losses)
        return jnp.sum(covariance(rd, judged, where=where))

    low, high = _log_range(losses, bounds, where)
    grid = jnp.linspace(low, high, points)
    values = jax.lax.map(value_at, grid)
    best = jnp.argmin(values)
    refined = _golden_section(
        value_at,
        grid[jnp.maximum(best - 1, 0)],
        grid[jnp.minimum(best + 1, points - 1)],
        steps=steps,
    )
    candidates = jnp.stack([grid[best], refined, low])
    # The three once more, by the same compiled code: their order is then exact.
    values = jax.lax.map(value_at, candidates)
    chosen = jnp.where(values[1] < values[0], 1, 0)
    deviations = jnp.abs(judged - masked_mean(judged, where))
    deviation = masked_mean(deviations, where) * judged.shape[0]
    rounding = jnp.finfo(judged.dtype).eps * deviation
    chosen = jnp.where(values[chosen] < -rounding, chosen, 2)
    return jnp.exp(candidates[chosen]), values[chosen]


def _log_range(losses, bounds, where):
    """Logarithms of the least and the greatest t."""
    if bounds is not None:
        return tuple(jnp.log(jnp.array(t, losses.dtype)) for t in bounds)
    greatest = jnp.max(losses, initial=0.0, where=where)
    mean = masked_mean(losses, where)
    some = greatest > 0  # all losses zero: any range does

    def log(numerator, scale):
        return jnp.log(numerator / jnp.where(some, scale, 1))

    return log(_LEAST_EXPONENT, greatest), log(_GREATEST_EXPONENT, mean)


def _golden_section(function, low, high, *, steps):
    """A minimum of `function` in [low, high], one evaluation a step."""

    def inner(low, high):
        return high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)

    def shrink(_, state):
        low, high, left, right = state
        x_left, x_right = inner(low, high)
        keep_left = left < right
        low, high = jnp.where(keep_left, low, x_left), jnp.where(keep_left, x_right, high)
        x_left, x_right = inner(low, high)
        new = function(jnp.where(keep_left, x_left, x_right))
        return (
            low,
            high,
            jnp.where(keep_left, new, right),
            jnp.where(keep_left, left, new),
        )

    first = [function(x) for x in inner(low, high)]
    low, high, *_ = jax.lax.fori_loop(0, steps, shrink, (low, high, *first))
    return (low + high) / 2
