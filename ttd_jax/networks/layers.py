"""Layers that the networks share."""

import functools
import math
from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.linen.dtypes import promote_dtype

from ttd_jax.networks.fast_convolution import convolve
from ttd_jax.networks.tpu_convolution import convolve_columns, join_layers
from ttd_jax.parts.part import WHOLE, Part
from ttd_jax.parts.tiles import Tile


class PaddedConv(nn.Module):
    """An odd-sized, stride-one convolution whose border repeats or mirrors the picture.

    Attributes:
      features: number of output channels.
      size: odd kernel size.
      pad_mode: 'edge' (torch's 'replicate'), 'reflect' or 'constant' (zeros).
      use_bias: whether to add a bias.
      activation: what follows.
      precision: of the convolution.
    """

    features: int
    size: int
    pad_mode: str = "edge"
    use_bias: bool = True
    activation: Callable[[chex.Array], chex.Array] | None = None
    precision: Any = None

    def setup(self) -> None:
        self.conv = nn.Conv(
            self.features,
            (self.size, self.size),
            padding="VALID",
            use_bias=self.use_bias,
            precision=self.precision,
        )

    def __call__(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, C] to f32[..., H, W, features]; any number of leading axes."""
        x = convolve_part(self.conv, part.pad(x, self.pad_mode, self.size // 2), part)
        return x if self.activation is None else self.activation(x)


def convolve_part(conv: nn.Conv, padded: chex.Array, part: Part) -> chex.Array:
    """A bound 'VALID' convolution: f32[..., H, W, C] to f32[..., H - h + 1, W - w + 1, D].

    Args:
      conv: the convolution.
      padded: what `part.pad` gives.
      part: a tile takes the forms that are fast on CPUs; whole pictures that for TPUs there.
    """
    if conv.is_initializing():
        return conv(padded)
    bare, variables = conv.clone(parent=None), conv.variables
    if isinstance(part, Tile) and padded.dtype == jnp.float32:
        return bare.clone(conv_general_dilated=convolve).apply(variables, padded)

    def by_columns(variables, padded):
        params = variables["params"]
        both = promote_dtype(padded, params["kernel"], dtype=conv.dtype)
        out = convolve_columns(*both, conv.precision)
        return out + params["bias"] if conv.use_bias else out

    return _on_tpus(by_columns, bare.apply, variables, padded)


def convolve_pointwise(
    pointwise: nn.Dense, grouped: "GroupedConv3x3", padded: chex.Array
) -> chex.Array:
    """A bound 1x1 convolution, then a grouped one, both without bias; on TPUs as one.

    Args:
      pointwise: the first.
      grouped: the second.
      padded: f32[..., H + 2, W + 2, C].

    Returns:
      f32[..., H, W, D].
    """
    if grouped.is_initializing():
        return grouped(pointwise(padded))

    def joined(padded, first, second):
        kernel = join_layers(first["params"]["kernel"], second["params"]["kernel"])
        both = promote_dtype(padded, kernel, dtype=pointwise.dtype)
        return convolve_columns(*both, grouped.precision)

    def in_turn(padded, first, second):
        between = pointwise.clone(parent=None).apply(first, padded)
        return grouped.clone(parent=None).apply(second, between)

    variables = pointwise.variables, grouped.variables
    return _on_tpus(joined, in_turn, padded, *variables)


def _on_tpus(form, usual, *args):
    """What a form for TPUs computes there, the usual one elsewhere.

    The derivative is that of the usual form: of a choice, which is a function of its own until it
    is lowered, XLA's convolutions on CPUs have derivatives that take thirty times as long.
    """

    @jax.custom_jvp
    def either(*args):
        return jax.lax.platform_dependent(*args, tpu=form, default=usual)

    either.defjvp(
        lambda primals, tangents: (either(*primals), jax.jvp(usual, primals, tangents)[1])
    )
    return either(*args)


def merge_sources(name: str, features: chex.Array, weights: chex.Array) -> chex.Array:
    """The 'sum', 'mean' or 'max' over the sources of f32[M, H, W, C] scaled by f32[M, H, W].

    Source by source: on CPUs XLA's own reduction over a leading axis takes two to four times as
    long, and an array of all scaled features would be made.
    """
    count = features.shape[0]
    combine = jnp.maximum if name == "max" else jnp.add

    def add_source(index, merged):
        return combine(merged, weights[index, ..., None] * features[index])

    merged = weights[0, ..., None] * features[0]
    if isinstance(count, int):
        for index in range(1, count):
            merged = add_source(index, merged)
    else:  # a symbol, for an exported program
        merged = jax.lax.fori_loop(1, count, add_source, merged)
    return merged / count if name == "mean" else merged


def add_copies(features: chex.Array, copies: int, part: Part = WHOLE) -> chex.Array:
    """What 'sum' makes of so many copies of f32[..., H, W, C]."""
    if isinstance(copies, int) and copies == 1:
        return features
    return part.map(functools.partial(_times, copies), features)


def _times(copies, x):
    return copies * x


def gelu(x: chex.Array) -> chex.Array:
    """The exact GELU as torch has it, by `erf`: `jax.nn.gelu` takes `erfc`, thrice as slow on CPUs.

    They differ in far negative arguments only, by less than a rounding of one.
    """
    return 0.5 * x * (1 + jax.lax.erf(x * np.float32(math.sqrt(0.5))))


class GroupedConv3x3(nn.Module):
    """A bias-free 3x3 convolution of few channels a group, over a picture padded beforehand.

    A 1x1 convolution without bias commutes with padding, so callers pad before it, where there are
    fewer channels. On CPUs it runs as nine shifted multiply-adds, about ten times as fast as
    XLA's own grouped convolution there, and on TPUs, where that pads groups of few channels to 128
    lanes; elsewhere as that.

    Attributes:
      features: number of output channels.
      group: input channels a group; one makes it depthwise.
      stride: every how many pixels there is an output.
      precision: of the convolution.
    """

    features: int
    group: int = 1
    stride: int = 1
    precision: Any = None

    @nn.compact
    def __call__(self, padded: chex.Array) -> chex.Array:
        """f32[..., H + 2, W + 2, C] to f32[..., H, W, features]; sides / stride, rounded up."""
        shape = (3, 3, self.group, self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape, jnp.float32)
        padded, kernel = promote_dtype(padded, kernel, dtype=None)
        shifted = functools.partial(_grouped_shifted, stride=self.stride)
        native = functools.partial(_grouped_native, stride=self.stride, precision=self.precision)
        return jax.lax.platform_dependent(padded, kernel, cpu=shifted, tpu=shifted, default=native)


def _grouped_native(padded, kernel, *, precision, stride=1):
    out = jax.lax.conv_general_dilated(
        padded.reshape(-1, *padded.shape[-3:]),
        kernel,
        window_strides=(stride, stride),
        padding="VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=padded.shape[-1] // kernel.shape[2],
        precision=precision,
    )
    return out.reshape(*padded.shape[:-3], *out.shape[1:])


def _grouped_shifted(padded, kernel, *, stride=1):
    height, width, channels = padded.shape[-3] - 2, padded.shape[-2] - 2, padded.shape[-1]
    group, features = kernel.shape[2:]
    total = 0.0
    for member in range(group):
        # The member-th input of each group, once for every output channel of that group.
        inputs = jnp.repeat(padded[..., member::group], features * group // channels, axis=-1)
        for row in range(3):
            for column in range(3):
                rows = slice(row, row + height, stride)
                columns = slice(column, column + width, stride)
                shifted = inputs[..., rows, columns, :]
                total += shifted * kernel[row, column, member]
    return total
