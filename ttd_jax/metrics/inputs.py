"""The array contract of every metric, checked in one place, and arithmetic safe at zero.

    metric(fused f32[H, W], sources f32[M, H, W], *, protocol) -> f32 scalar

Grays in 0..255, M >= 1. Batches come from `jax.vmap`. Every result is finite for finite images.
"""

import chex
import jax.numpy as jnp

from ttd_jax.metrics import protocol as protocols


def prepare(
    fused: chex.Array, sources: chex.Array | None, protocol: str
) -> tuple[chex.Array, chex.Array | None]:
    """The images as float32, once shapes and protocol have been checked.

    Args:
      fused: f32[H, W] in 0..255; integers are accepted.
      sources: f32[M, H, W] in 0..255, or None for a metric that looks at the fused image alone.
      protocol: a key of `PROTOCOLS`.

    Raises:
      AssertionError: if the shapes do not fit.
      UserError: for an unknown protocol.
    """
    protocols.check(protocol)
    fused = jnp.asarray(fused, jnp.float32)
    chex.assert_rank(fused, 2)
    if sources is None:
        return fused, None
    sources = jnp.asarray(sources, jnp.float32)
    chex.assert_shape(sources, (None, *fused.shape))
    chex.assert_axis_dimension_gt(sources, 0, 0)
    return fused, sources


def safe_sqrt(x: chex.Array) -> chex.Array:
    """Square root of x >= 0, of any shape, whose derivative at 0 is 0 instead of infinite."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def safe_divide(numerator: chex.Array, denominator: chex.Array) -> chex.Array:
    """The quotient of arrays of any shape, 0 where the denominator is 0."""
    nonzero = denominator != 0
    return jnp.where(nonzero, numerator / jnp.where(nonzero, denominator, 1.0), 0.0)


def offset(images: chex.Array) -> chex.Array:
    """Mean of every image, f32[..., 1, 1].

    Taken as a difference from the first pixel: exact for a constant image, and subtracting it
    leaves numbers small enough for float32 moments.
    """
    first = images[..., :1, :1]
    return first + jnp.mean(images - first, axis=(-2, -1), keepdims=True)
