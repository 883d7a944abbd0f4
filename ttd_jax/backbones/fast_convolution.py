"""Convolutions of a tile on CPUs, as few large matrix products: what XLA is fast at there.

Source: Winograd, "Arithmetic complexity of computations", SIAM, 1980; Lavin and Gray, "Fast
algorithms for convolutional neural networks", CVPR, 2016.
"""

import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np

# Neighbouring outputs of a row that are computed together, and where the polynomials are
# evaluated beside infinity: errors are about twice those of direct sums, half of those that
# the usual 0, 1, -1, 2, -2 make.
_OUTPUTS = 4
_POINTS = (0.0, 0.5**0.5, -(0.5**0.5), 2.0**0.5, -(2.0**0.5))


def convolve(pictures, kernel, window_strides, padding, **options):
    """In place of `jax.lax.conv_general_dilated` for `nn.Conv`: stride one, 'VALID', one group.

    Args:
      pictures: f32[N, H, W, C].
      kernel: f32[h, w, C, D]; 3x3 takes half of the multiplications, see `convolve3x3`.
      window_strides, padding, **options: of `nn.Conv`, which are to be its defaults otherwise.

    Returns:
      f32[N, H - h + 1, W - w + 1, D].
    """
    del window_strides, padding, options
    one = convolve3x3 if kernel.shape[:2] == (3, 3) else convolve_rows
    return jnp.stack([one(picture, kernel) for picture in pictures])


def convolve_rows(picture, kernel):
    """One product for all pixels' neighbourhoods within their row; for few channels.

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


def convolve3x3(picture, kernel):
    """Winograd's F(4, 3) along the rows: six products make four outputs instead of twelve.

    Along rows only, so that what a pixel gets does not depend on the row that a tile begins at.

    Args:
      picture: f32[H, W, C].
      kernel: f32[3, 3, C, D].

    Returns:
      f32[H - 2, W - 2, D].
    """
    rows, width, channels = picture.shape
    features, points = kernel.shape[-1], len(_POINTS) + 1
    groups = -(-(width - 2) // _OUTPUTS)
    of_input, of_kernel, of_output = _transforms()

    picture = jnp.pad(picture, ((0, 0), (0, _OUTPUTS * groups + 2 - width), (0, 0)))
    last = _OUTPUTS * (groups - 1) + 1
    inputs = [picture[:, i : i + last : _OUTPUTS] for i in range(points)]
    inputs = jnp.stack([_combine(of_input[i], inputs) for i in range(points)])
    kernel = jnp.einsum("ij,rjcd->icrd", of_kernel, kernel, precision="highest")
    products = jax.lax.dot_general(
        inputs.reshape(points, rows * groups, channels),
        kernel.reshape(points, channels, 3 * features),
        (((2,), (1,)), ((0,), (0,))),
    )
    products = _add_rows(products.reshape(points, rows, groups, 3, features))
    outputs = [_combine(of_output[i], products) for i in range(_OUTPUTS)]
    outputs = jnp.stack(outputs, axis=2).reshape(rows - 2, _OUTPUTS * groups, features)
    return outputs[:, : width - 2]


def _add_rows(products):
    """What each row of a kernel made of every row, f32[..., H, W, h, D], shifted and added."""
    high = products.shape[-2]
    rows = products.shape[-4] - high + 1
    shifted = [products[..., i : i + rows, :, i, :] for i in range(high)]
    return functools.reduce(operator.add, shifted)


@functools.cache
def _transforms():
    """Matrices of the inputs [6, 6], of the kernel [6, 3] and of the outputs [4, 6].

    A product of polynomials is interpolated from its values at the points and its leading
    coefficient; a correlation is the transpose of that.
    """
    points = np.array(_POINTS)
    others = [np.delete(points, i) for i in range(len(points))]
    scale = np.array([np.prod(point - rest) for point, rest in zip(points, others, strict=True)])
    infinity = np.eye(1, 3, 2), np.eye(1, _OUTPUTS, _OUTPUTS - 1)
    of_kernel = np.vstack([np.vander(points, 3, increasing=True) / scale[:, None], infinity[0]])
    of_output = np.vstack([np.vander(points, _OUTPUTS, increasing=True), infinity[1]]).T
    of_input = np.zeros((len(points) + 1, len(points) + 1))
    for row, roots in zip(of_input, [*others, points], strict=True):
        row[: len(roots) + 1] = np.poly(roots)[::-1]
    of_input[np.abs(of_input) < 1e-12] = 0  # roots in pairs cancel but for rounding
    return tuple(matrix.astype(np.float32) for matrix in (of_input, of_kernel, of_output))


def _combine(coefficients, terms):
    """The sum of arrays times numbers, without those whose number is zero."""
    return functools.reduce(
        operator.add, [c * term for c, term in zip(coefficients, terms, strict=True) if c]
    )
