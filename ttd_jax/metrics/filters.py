"""Separable windows and derivatives of images f32[..., H, W].

A window that is larger than the image shrinks to the largest odd size that fits, so that every
metric is defined on every image.
"""

import functools
import operator
from collections.abc import Sequence

import chex
import jax
import jax.numpy as jnp
import numpy as np


def fit(size: int, shape: Sequence[int]) -> int:
    """The largest window size that is at most `size` and fits an image of `shape`.

    It is odd where `size` is.
    """
    side = min(size, *shape[-2:])
    return side - (1 - side % 2) * (size % 2)


def uniform(size: int) -> np.ndarray:
    """`size` equal weights that sum to one."""
    return np.full(size, 1.0 / size)


def gaussian(size: int, sigma: float) -> np.ndarray:
    """`size` weights of a Gaussian of standard deviation `sigma`, cut off and summing to one."""
    distance = np.arange(size) - (size - 1) / 2
    weights = np.exp(-0.5 * np.square(distance / sigma))
    return weights / np.sum(weights)


def separable(images: chex.Array, taps: np.ndarray | chex.Array, *, stride: int = 1) -> chex.Array:
    """Filters rows and columns with the same taps, 'valid', keeping each `stride`-th result.

    Shifted multiply-adds, because one-channel convolutions run a hundred times slower on a CPU.

    Returns:
      f32[..., ceil((H - K + 1) / stride), ceil((W - K + 1) / stride)]; for taps f32[K] that are
      data, of which the last may be zero, windows begin at all pixels: f32[..., ceil(H / stride),
      ceil(W / stride)].
    """
    if isinstance(taps, jax.Array):
        margins = [(0, 0)] * (images.ndim - 2) + [(0, len(taps) - 1)] * 2
        images = jax.lax.optimization_barrier(jnp.pad(images, margins))
    columns = apart(_correlate(images, taps, -2, stride=stride))
    return _correlate(columns, taps, -1, stride=stride)


def sobel(
    images: chex.Array, *, border: str = "edge", middle: float = 2.0
) -> tuple[chex.Array, chex.Array]:
    """Raw 3x3 Sobel derivatives along x and y: two f32[..., H, W]; `border` as in `jnp.pad`.

    With 1 for the weight of the `middle` they are Prewitt's.
    """
    padded = jnp.pad(images, [(0, 0)] * (images.ndim - 2) + [(1, 1), (1, 1)], mode=border)
    smooth, difference = (1.0, middle, 1.0), (-1.0, 0.0, 1.0)
    along_x = _correlate(_correlate(padded, difference, -1), smooth, -2)
    along_y = _correlate(_correlate(padded, difference, -2), smooth, -1)
    return along_x, along_y


def local_moments(
    images: chex.Array, taps: np.ndarray | chex.Array
) -> tuple[chex.Array, chex.Array, chex.Array]:
    """Windowed means, variances, and covariances of the first image with each of the others.

    Args:
      images: f32[1 + M, H, W]; near zero mean, or float32 loses small variances.
      taps: weights of one axis of the window; see `separable`.

    Returns:
      f32[1 + M, h, w], f32[1 + M, h, w] and f32[M, h, w]; rounding may leave a variance of
      nearly 0 below it.
    """
    count = images.shape[0]
    products = jnp.concatenate([jnp.square(images), images[:1] * images[1:]])
    moments = separable(jnp.concatenate([images, products]), taps)
    means, seconds = moments[:count], moments[count:]
    return means, seconds[:count] - jnp.square(means), seconds[count:] - means[:1] * means[1:]


@jax.custom_jvp
def apart(arrays: chex.ArrayTree) -> chex.ArrayTree:
    """Arrays of any shape, in memory: a CPU would compute them anew wherever they are read."""
    return jax.lax.platform_dependent(arrays, cpu=_written, default=lambda arrays: arrays)


@apart.defjvp
def _(primals, tangents):
    return apart(*primals), tangents[0]


def _written(arrays):
    # A loop of which XLA cannot know that it has one turn. Its optimization barriers are gone
    # before its CPU compiler fuses.
    first = jax.tree.leaves(arrays)[0]
    turns = jnp.where(jnp.isnan(first[(0,) * first.ndim]), 2, 1)

    def turn(index, arrays):
        return jax.tree.map(lambda x: x * (index + 1).astype(x.dtype), arrays)

    return jax.lax.fori_loop(0, turns, turn, arrays)


def _correlate(images, taps, axis, *, stride=1):
    length = images.shape[axis] - len(taps) + 1
    axis = images.ndim + axis
    known = not isinstance(taps, jax.Array)
    terms = (
        (float(tap) if known else tap)
        * jax.lax.slice_in_dim(images, start, start + length, stride, axis)
        for start, tap in enumerate(taps)
        if not known or tap
    )
    return functools.reduce(operator.add, terms)
