"""Layers that the networks share."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn


class PaddedConv(nn.Module):
    """An odd-sized, stride-one convolution whose border repeats or mirrors the picture.

    Runs as pad, zero-padded ('SAME') convolution, crop: on CPUs that is about three times as fast
    as the equivalent 'VALID' convolution, and the cropped border is a per cent of the work.

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

    @nn.compact
    def __call__(self, x):
        """f32[..., H, W, C] to f32[..., H, W, features]; any number of leading axes."""
        margin = self.size // 2
        leading = [(0, 0)] * (x.ndim - 3)
        spatial = [(margin, margin)] * 2
        padded = jnp.pad(x, [*leading, *spatial, (0, 0)], mode=self.pad_mode)
        out = nn.Conv(
            self.features,
            (self.size, self.size),
            padding=spatial,
            use_bias=self.use_bias,
            precision=self.precision,
            name="conv",
        )(padded)
        return out[..., margin:-margin, margin:-margin, :]


def pad_border(x, *, mode="constant", margin=1):
    """f32[..., H, W, C] to f32[..., H + 2 margin, W + 2 margin, C]; `mode` as in `jnp.pad`."""
    leading = [(0, 0)] * (x.ndim - 3)
    return jnp.pad(x, [*leading, (margin, margin), (margin, margin), (0, 0)], mode=mode)


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
    def __call__(self, padded):
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
