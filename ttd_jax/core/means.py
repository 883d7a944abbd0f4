"""Means over the pixels that count."""

import math
from collections.abc import Sequence

import chex
import jax.numpy as jnp


def masked_mean(
    x: chex.Array,
    where: chex.Array | None,
    *,
    axis: int | Sequence[int] | None = None,
    keepdims: bool = False,
) -> chex.Array:
    """`jnp.mean` with its `where`, whose pixels are counted before they are broadcast.

    A sum over what is broadcast is a race of threads in XLA on CPUs (jaxlib 0.10; see
    tensorflow/tensorflow#126812): a busy machine now and then counts some pixels twice.

    Args:
      x: f32[...].
      where: bool, of a shape that broadcasts to that of `x`; None for all.
      axis: of `x`; all by default.
      keepdims: whether these axes stay, of length one.

    Returns:
      f32[...]; NaN where no pixel counts.
    """
    if where is None:
        return jnp.mean(x, axis=axis, keepdims=keepdims)
    total = jnp.sum(jnp.where(where, x, 0), axis=axis, keepdims=keepdims)
    where = where.reshape((1,) * (x.ndim - where.ndim) + where.shape)
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    repeated = math.prod(x.shape[a] // where.shape[a] for a in axes)
    return total / (repeated * jnp.sum(where, axis=axis, keepdims=keepdims))
