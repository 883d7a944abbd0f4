"""Convolutions on TPUs, in the form that XLA runs there without moving arrays about.

XLA lays pictures of few sources out with their columns in the 128 lanes of a register and their
channels beside them. Its convolution, whose batch is to lie in lanes, then cuts such pictures into
a batch of windows and copies them to and fro: for a layer of CDDFuse 1.25 GB in place of 0.37.
"""

import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp


def convolve_columns(pictures: chex.Array, kernel: chex.Array, precision: Any) -> chex.Array:
    """A 'VALID' convolution of stride one whose batch are the columns of the pictures.

    What a pixel needs of its row is put side by side in channels, which XLA does while it
    convolves; along the columns remains a convolution, and pictures are one more axis of it. It has
    no derivative in reverse, as nothing has with a rule for `jax.vmap`.

    Args:
      pictures: f32[..., H, W, C].
      kernel: f32[h, w, C, D].
      precision: of the products.

    Returns:
      f32[..., H - h + 1, W - w + 1, D].
    """
    return _more_axes(functools.partial(_convolve, precision), pictures, kernel)


def _more_axes(convolve, pictures, kernel):
    """A convolution that takes pictures that `jax.vmap` adds as it does others.

    The rule of `jax.lax.conv_general_dilated` would put them among the columns, by copies.
    """
    convolve_any = jax.custom_batching.custom_vmap(convolve)

    @convolve_any.def_vmap
    def batch(size, batched, pictures, kernel):
        del size
        if batched == [True, False]:
            return convolve_any(pictures, kernel), True
        axes = [0 if own else None for own in batched]
        return jax.vmap(convolve, axes)(pictures, kernel), True

    return convolve_any(pictures, kernel)


def _convolve(precision, pictures, kernel):
    high, wide, channels, features = kernel.shape
    width = pictures.shape[-2] - wide + 1
    shifted = [pictures[..., i : i + width, :] for i in range(wide)]
    # Not reshaped to one axis of pictures: XLA would write what is put together here.
    leading = [1] * (pictures.ndim - 3)
    axes = "ABDEFG"[: len(leading)] + "H"
    return jax.lax.conv_general_dilated(
        jnp.concatenate(shifted, axis=-1),
        kernel.reshape(*leading, high, wide * channels, features),
        window_strides=[*leading, 1],
        padding="VALID",
        dimension_numbers=(f"{axes}NC", f"{axes}IO", f"{axes}NC"),
        precision=precision,
    )


def join_layers(pointwise: chex.Array, grouped: chex.Array) -> chex.Array:
    """A 1x1 convolution and the grouped one after it, as one of all channels.

    It takes many times the operations, but by the matrix units: the sums of a grouped convolution
    take twice as long, and an array more.

    Args:
      pointwise: f32[I, C], the kernel of the first.
      grouped: f32[h, w, C / groups, D], the kernel of the second.

    Returns:
      f32[h, w, I, D].
    """
    (inputs, channels), (high, wide, group, features) = pointwise.shape, grouped.shape
    groups = channels // group
    pointwise = pointwise.reshape(inputs, groups, group)
    grouped = grouped.reshape(high, wide, group, groups, features // groups)
    joined = jnp.einsum("igm,hwmgf->hwigf", pointwise, grouped, precision="highest")
    return joined.reshape(high, wide, inputs, features)
