"""Layers that the networks share."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from ttd_jax.networks.fast_convolution import convolve
from ttd_jax.parts.tiles import Tile, locally, pad_border


class PaddedConv(nn.Module):
    """An odd-sized, stride-one convolution whose border repeats or mirrors the picture.

    A 3x3 runs as pad, zero-padded ('SAME') convolution, crop: on CPUs that is faster than the
    equivalent 'VALID' convolution, and what is cropped is little. Large kernels would crop more.

    Attributes:
      features: number of output channels.
      size: odd kernel size.
      pad_mode: 'edge' (torch's 'replicate') or 'reflect'.
      use_bias: whether to add a bias.
      precision: of the convolution.
    """

    features: int
    size: int
    pad_mode: str = "edge"
    use_bias: bool = True
    precision: Any = None

    def setup(self) -> None:
        self.conv = nn.Conv(
            self.features,
            (self.size, self.size),
            padding=((1, 1), (1, 1)) if self.size == 3 else "VALID",
            use_bias=self.use_bias,
            precision=self.precision,
        )

    def __call__(self, x: chex.Array) -> chex.Array:
        """f32[..., H, W, C] to f32[..., H, W, features]; any number of leading axes."""
        pad_mode = None if self.size == 3 else self.pad_mode
        forms = {"plain": "whole", "inner": "tile"}
        return locally(self, x, **forms, margin=self.size // 2, pad_mode=pad_mode)

    def whole(self, x: chex.Array) -> chex.Array:
        """The whole picture at once."""
        out = self.conv(pad_border(x, mode=self.pad_mode, margin=self.size // 2))
        return out[..., 1:-1, 1:-1, :] if self.size == 3 else out

    def tile(self, tile: Tile, window: chex.Array) -> tuple[chex.Array, tuple[()]]:
        """A tile of it."""
        if self.size == 3:
            window = tile.mend(window, self.pad_mode, margin=1)
        return self.padded(window), ()

    def padded(self, window: chex.Array) -> chex.Array:
        """A tile on a CPU, from a window with the border that it needs: f32[H, W, C]."""
        return convolve_tile(self.conv, window)


def convolve_tile(conv: nn.Conv, window: chex.Array) -> chex.Array:
    """A bound convolution of a tile on a CPU: f32[H, W, C] to f32[H - h + 1, W - w + 1, D]."""
    conv_form = {"conv_general_dilated": convolve} if window.dtype == jnp.float32 else {}
    return conv.clone(parent=None, padding="VALID", **conv_form).apply(conv.variables, window)


def in_turn(modules: Sequence[nn.Module], x: chex.Array) -> chex.Array:
    """Bound modules that differ in their variables only, one after the other: traced once."""
    if not modules or modules[0].is_initializing():
        for module in modules:
            x = module(x)
        return x
    apply = jax.jit(modules[0].clone(parent=None, name=None).apply)
    for module in modules:
        x = apply(module.variables, x)
    return x


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


def gelu(x: chex.Array) -> chex.Array:
    """The exact GELU as torch has it, by `erf`: `jax.nn.gelu` takes `erfc`, thrice as slow on CPUs.

    They differ in far negative arguments only, by less than a rounding of one.
    """
    return 0.5 * x * (1 + jax.lax.erf(x * np.float32(math.sqrt(0.5))))


class GroupedConv3x3(nn.Module):
    """A bias-free 3x3 convolution of few channels a group, over a picture padded beforehand.

    A 1x1 convolution without bias commutes with padding, so callers pad before it, where there are
    fewer channels. On CPUs it runs as nine shifted multiply-adds, about ten times as fast as
    XLA's own grouped convolution there; elsewhere as that.

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
        shifted = functools.partial(_grouped_shifted, stride=self.stride)
        native = functools.partial(_grouped_native, stride=self.stride, precision=self.precision)
        return jax.lax.platform_dependent(padded, kernel, cpu=shifted, default=native)


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
