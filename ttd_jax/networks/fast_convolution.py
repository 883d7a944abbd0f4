"""Convolutions of a tile on CPUs, as few large matrix products: what XLA is fast at there.

Source: Winograd, "Arithmetic complexity of computations", SIAM, 1980; Lavin and Gray, "Fast
algorithms for convolutional neural networks", CVPR, 2016.
"""

import functools
import operator
from collections.abc import Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

# Where polynomials are evaluated, beside infinity, to compute two and four neighboring outputs
# together. Errors of the latter are about twice those of direct sums, half of those that the
# usual 0, 1, -1, 2, -2 make.
_POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 0.5**0.5, -(0.5**0.5), 2.0**0.5, -(2.0**0.5))}
_MANY_CHANNELS = 256  # from here on products are worth the sums that save them


def convolve(
    pictures: chex.Array,
    kernel: chex.Array,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    **options: Any,
) -> chex.Array:
    """In place of `jax.lax.conv_general_dilated` for `nn.Conv`: stride one, 'VALID', one group.

    Args:
      pictures: f32[N, H, W, C].
      kernel: f32[h, w, C, D]; 3x3 takes half to a third of the multiplications.
      window_strides, padding, **options: of `nn.Conv`, which are to be its defaults otherwise.

    Returns:
      f32[N, H - h + 1, W - w + 1, D].
    """
    del window_strides, padding, options
    if kernel.shape[:2] != (3, 3):
        one = convolve_rows
    else:
        one = convolve3x3 if kernel.shape[2] < _MANY_CHANNELS else convolve3x3_deep
    return jnp.stack([one(picture, kernel) for picture in pictures])


def convolve_rows(picture: chex.Array, kernel: chex.Array) -> chex.Array:
    """One product for all pixels' neighborhoods within their row; for few channels.

    Args:
      picture: f32[H, W, C].
      kernel: f32[h, w, C, D].

    Returns:
      f32[H - h + 1, W - w + 1, D].
    """
    (rows, width, channels), (high, wide, _, features) = picture.shape, kernel.shape
    width += 1 - wide
    inputs = jnp.zeros((rows, width, wide * channels), picture.dtype)
    for i in range(wide):  # to concatenate them would be thrice as slow: one loop with a switch
        at = (0, 0, i * channels)
        inputs = jax.lax.dynamic_update_slice(inputs, picture[:, i : i + width], at)
    kernel = jnp.moveaxis(kernel, 0, 2).reshape(wide * channels, high * features)
    products = inputs.reshape(rows * width, wide * channels) @ kernel
    return _add_rows(products.reshape(rows, width, high, features))


def convolve3x3(picture: chex.Array, kernel: chex.Array) -> chex.Array:
    """Winograd's F(4, 3) along the rows: six products make four outputs instead of twelve.

    Along rows only, so that what a pixel gets does not depend on the row that a tile begins at.

    Args:
      picture: f32[H, W, C].
      kernel: f32[3, 3, C, D].

    Returns:
      f32[H - 2, W - 2, D].
    """
    (rows, width, channels), features = picture.shape, kernel.shape[-1]
    _, of_kernel, of_output = _transforms(4)
    inputs = _split(picture, axis=1, outputs=4)
    points, _, groups, _ = inputs.shape
    kernel = jnp.moveaxis(_combinations(of_kernel, kernel.swapaxes(0, 1)), 1, 2)
    products = _products(inputs, kernel.reshape(points, channels, 3 * features))
    products = _add_rows(products.reshape(points, rows, groups, 3, features))
    columns = _combinations(of_output, products, axis=2)
    return columns.reshape(rows - 2, 4 * groups, features)[:, : width - 2]


def convolve3x3_deep(picture: chex.Array, kernel: chex.Array) -> chex.Array:
    """Winograd's F(2, 3) along the columns, too: 24 products make eight outputs instead of 72.

    Args:
      picture: f32[H, W, C].
      kernel: f32[3, 3, C, D].

    Returns:
      f32[H - 2, W - 2, D].
    """
    (rows, width, channels), features = picture.shape, kernel.shape[-1]
    _, of_kernel, of_output = zip(_transforms(2), _transforms(4), strict=True)
    inputs = _split(_split(picture, axis=1, outputs=4), axis=1, outputs=2)
    *points, pairs, groups, _ = inputs.shape
    kernel = _combinations(of_kernel[1], kernel.swapaxes(0, 1))
    kernel = _combinations(of_kernel[0], kernel.swapaxes(0, 1))
    products = _products(
        inputs.reshape(-1, pairs, groups, channels), kernel.reshape(-1, channels, features)
    )
    products = products.reshape(*points, pairs, groups, features)
    both = [_combine(row, products) for row in of_output[0]]
    both = [_combinations(of_output[1], one, axis=2) for one in both]
    outputs = jnp.stack(both, axis=1).reshape(2 * pairs, 4 * groups, features)
    return outputs[: rows - 2, : width - 2]


def _split(array, *, axis, outputs):
    """Transformed inputs of all groups of outputs: a new axis in front, `axis` has the groups."""
    matrix = _transforms(outputs)[0]
    groups = -(-(array.shape[axis] - 2) // outputs)
    missing = outputs * groups + 2 - array.shape[axis]
    array = jnp.pad(array, [(0, missing if i == axis else 0) for i in range(array.ndim)])
    last = outputs * (groups - 1) + 1
    inputs = [
        jax.lax.slice_in_dim(array, i, i + last, outputs, axis=axis) for i in range(len(matrix))
    ]
    return _combinations(matrix, inputs)


def _products(inputs, kernel):
    """f32[P, H, W, C] and f32[P, C, D] to f32[P, H, W, D]."""
    flat = inputs.reshape(len(inputs), -1, inputs.shape[-1])
    products = jax.lax.dot_general(flat, kernel, (((2,), (1,)), ((0,), (0,))))
    return products.reshape(*inputs.shape[:-1], -1)


def _add_rows(products):
    """What each row of a kernel made of every row, f32[..., H, W, h, D], shifted and added."""
    high = products.shape[-2]
    rows = products.shape[-4] - high + 1
    shifted = [products[..., i : i + rows, :, i, :] for i in range(high)]
    return functools.reduce(operator.add, shifted)


@functools.cache
def _transforms(outputs):
    """Of the inputs [n + 2, n + 2], the kernel [n + 2, 3] and the outputs [n, n + 2].

    A product of polynomials is interpolated from its values at the points and its leading
    coefficient; a correlation is the transpose of that.
    """
    points = np.array(_POINTS[outputs])
    others = [np.delete(points, i) for i in range(len(points))]
    scale = np.array([np.prod(point - rest) for point, rest in zip(points, others, strict=True)])
    of_kernel = np.vstack([np.vander(points, 3, increasing=True) / scale[:, None], np.eye(3)[2:]])
    powers = np.vander(points, outputs, increasing=True)
    of_output = np.vstack([powers, np.eye(outputs)[-1:]]).T
    of_input = np.zeros((outputs + 2, outputs + 2))
    for row, roots in zip(of_input, [*others, points], strict=True):
        row[: len(roots) + 1] = np.poly(roots)[::-1]
    of_input[np.abs(of_input) < 1e-12] = 0  # roots in pairs cancel but for rounding
    return tuple(matrix.astype(np.float32) for matrix in (of_input, of_kernel, of_output))


def _combine(coefficients, terms):
    """The sum of arrays times numbers, without those whose number is zero."""
    return functools.reduce(
        operator.add, [c * term for c, term in zip(coefficients, terms, strict=True) if c]
    )


def _combinations(matrix, terms, *, axis=0):
    """A matrix times a column of arrays, stacked: `@` would lie transposed, for a copy a tile."""
    return jnp.stack([_combine(row, terms) for row in matrix], axis=axis)
