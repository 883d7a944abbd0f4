"""The parts of YOLOX: convolutions with BatchNorm and SiLU, and what is made of them.

Every module here takes f32[..., H, W, C] with any number of leading axes.

Source: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv:2107.08430; layout read from
Megvii-BaseDetection/YOLOX, yolox/models/network_blocks.py.
"""

import dataclasses
from typing import Any

import chex
import jax.numpy as jnp
from flax import linen as nn

from ttd_jax.networks.layers import GroupedConv3x3
from ttd_jax.parts.border import pad_border


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvSettings:
    """What all convolutions of one network share.

    Attributes:
      depthwise: split most 3x3 convolutions into a depthwise one and a 1x1 (nano).
      precision: of all of them.
      axis_name: of mapped axes over which batch statistics are averaged while training.
    """

    depthwise: bool = False
    precision: Any = None
    axis_name: Any = None


class Conv(nn.Module):
    """A bias-free convolution, zero-padded by half its size, then BatchNorm and SiLU.

    Attributes:
      features: number of output channels.
      size: odd kernel size.
      stride: every how many pixels there is an output.
      each: convolve each channel alone; `size` is then 3 and `features` the input's.
      settings: see `ConvSettings`.
    """

    features: int
    size: int = 1
    stride: int = 1
    each: bool = False
    settings: ConvSettings = ConvSettings()

    @nn.compact
    def __call__(self, x: chex.Array, *, train: bool = False) -> chex.Array:
        """f32[..., H, W, C] to f32[..., ceil(H / stride), ceil(W / stride), features]."""
        precision = self.settings.precision
        if self.each:
            convolution = GroupedConv3x3(
                self.features, stride=self.stride, precision=precision, name="conv"
            )
            x = convolution(pad_border(x))
        elif self.size == 1:
            x = nn.Dense(self.features, use_bias=False, precision=precision, name="conv")(x)
        else:
            margin = self.size // 2
            x = nn.Conv(
                self.features,
                (self.size, self.size),
                strides=self.stride,
                padding=[(margin, margin)] * 2,
                use_bias=False,
                precision=precision,
                name="conv",
            )(x)
        x = nn.BatchNorm(
            use_running_average=not train,
            epsilon=1e-3,
            momentum=0.97,
            use_fast_variance=False,
            axis_name=self.settings.axis_name if train else None,
            name="bn",
        )(x)
        return nn.silu(x)


class Conv3x3(nn.Module):
    """A full 3x3 `Conv`, or a depthwise one and a 1x1, as `settings.depthwise` says."""

    features: int
    stride: int = 1
    settings: ConvSettings = ConvSettings()

    @nn.compact
    def __call__(self, x: chex.Array, *, train: bool = False) -> chex.Array:
        """f32[..., H, W, C] to f32[..., ceil(H / stride), ceil(W / stride), features]."""
        if not self.settings.depthwise:
            conv = Conv(self.features, 3, self.stride, settings=self.settings, name="full")
            return conv(x, train=train)
        each = Conv(
            x.shape[-1], 3, self.stride, each=True, settings=self.settings, name="depthwise"
        )
        mix = Conv(self.features, settings=self.settings, name="pointwise")
        return mix(each(x, train=train), train=train)


class Focus(nn.Module):
    """Four pixels to the channels of one, then a full 3x3."""

    features: int
    settings: ConvSettings = ConvSettings()

    @nn.compact
    def __call__(self, x: chex.Array, *, train: bool = False) -> chex.Array:
        """f32[..., H, W, C] to f32[..., H / 2, W / 2, features]; H and W even."""
        corners = [x[..., row::2, column::2, :] for column in (0, 1) for row in (0, 1)]
        conv = Conv(self.features, 3, settings=self.settings, name="conv")
        return conv(jnp.concatenate(corners, axis=-1), train=train)


class Bottleneck(nn.Module):
    """1x1, then 3x3, around a residual if there is a `shortcut`; as many channels as it takes."""

    shortcut: bool = True
    settings: ConvSettings = ConvSettings()

    @nn.compact
    def __call__(self, x: chex.Array, *, train: bool = False) -> chex.Array:
        """f32[..., H, W, C] to the same."""
        features = x.shape[-1]
        out = Conv(features, settings=self.settings, name="conv1")(x, train=train)
        out = Conv3x3(features, settings=self.settings, name="conv2")(out, train=train)
        return x + out if self.shortcut else out


class CrossStage(nn.Module):
    """Half of the channels through `depth` bottlenecks, half around them (CSP)."""

    features: int
    depth: int
    shortcut: bool = True
    settings: ConvSettings = ConvSettings()

    @nn.compact
    def __call__(self, x: chex.Array, *, train: bool = False) -> chex.Array:
        """f32[..., H, W, C] to f32[..., H, W, features]."""
        half = self.features // 2
        through = Conv(half, settings=self.settings, name="conv1")(x, train=train)
        around = Conv(half, settings=self.settings, name="conv2")(x, train=train)
        for index in range(self.depth):
            block = Bottleneck(self.shortcut, self.settings, name=f"block{index}")
            through = block(through, train=train)
        both = jnp.concatenate([through, around], axis=-1)
        return Conv(self.features, settings=self.settings, name="conv3")(both, train=train)


class SpatialPyramid(nn.Module):
    """Maxima over 5x5, 9x9 and 13x13 pixels beside the pixel itself (SPP)."""

    features: int
    settings: ConvSettings = ConvSettings()

    @nn.compact
    def __call__(self, x: chex.Array, *, train: bool = False) -> chex.Array:
        """f32[..., H, W, C] to f32[..., H, W, features]."""
        x = Conv(x.shape[-1] // 2, settings=self.settings, name="conv1")(x, train=train)
        levels = [x]
        for _ in range(3):  # a 5x5 maximum of a 5x5 maximum is one of 9x9, and so on
            levels.append(nn.max_pool(levels[-1], (5, 5), padding="SAME"))
        pooled = jnp.concatenate(levels, axis=-1)
        return Conv(self.features, settings=self.settings, name="conv2")(pooled, train=train)


def upsample(x: chex.Array) -> chex.Array:
    """f32[..., H, W, C] to f32[..., 2 H, 2 W, C], each pixel four times."""
    return jnp.repeat(jnp.repeat(x, 2, axis=-3), 2, axis=-2)
