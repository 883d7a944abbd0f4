"""SeAFusion: two streams of gradient residual dense blocks, concatenated and decoded to luma.

Source: Tang et al., "Image fusion in the loop of high-level vision tasks: A semantic-aware
real-time infrared and visible image fusion network", Information Fusion 82, 2022; architecture
read from Linfeng-Tang/VIF-Benchmark, SeAFusion/FusionNet.py.

How test-time dynamic fusion meets this network is a reading of ours, the one that PIAFusion has:
2 * RD scales the features of each stream before they are concatenated, and the component of a
source is the network with that source on both inputs. The decoder never saw one stream alone.
"""

import functools
from typing import Any, ClassVar

import chex
import jax.numpy as jnp
from flax import linen as nn

from ttd_jax.core.subgradients import absolute
from ttd_jax.errors import UserError
from ttd_jax.networks.base import Network
from ttd_jax.networks.layers import GroupedConv3x3, PaddedConv
from ttd_jax.networks.layout import CONV, DENSE, Layout, biased, plain
from ttd_jax.networks.presets import GRAY_PRESETS
from ttd_jax.networks.saving import Saving, join_ycrcb
from ttd_jax.networks.spec import FusionSpec, register_network
from ttd_jax.parts.part import WHOLE, Part


def _leaky(x):
    return nn.leaky_relu(x, 0.2)


class GradientBlock(nn.Module):
    """Two convolutions, densely connected, and the gradients of what came in beside them.

    Attributes:
      features: number of output channels.
      channels: number of input channels.
      precision: of every product.
    """

    features: int
    channels: int
    precision: Any = None

    def setup(self) -> None:
        self.dense1 = _padded(self.channels, self.precision)
        self.dense2 = _padded(self.channels, self.precision)
        self.down = nn.Dense(self.features, precision=self.precision)  # 1x1 convolutions
        self.up = nn.Dense(self.features, precision=self.precision)
        # They began as Sobel's and were trained.
        self.sobel_x = GroupedConv3x3(self.channels, precision=self.precision)
        self.sobel_y = GroupedConv3x3(self.channels, precision=self.precision)

    def __call__(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, C] to f32[..., H, W, features]; of a tile a margin of two is used up."""
        mixed = self.down(self.dense(x, part)) + self.up(self.gradients(part.crop(x), part))
        return nn.leaky_relu(mixed, 0.1)

    def dense(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, C] to f32[..., H, W, 3 C]."""
        two = jnp.concatenate([part.crop(x), self.dense1(x, part)], axis=-1)
        return jnp.concatenate([part.crop(two), self.dense2(two, part)], axis=-1)

    def gradients(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, C] to the same, not negative."""
        padded = part.pad(x)
        return absolute(self.sobel_x(padded)) + absolute(self.sobel_y(padded))


def _padded(features, precision, activation=_leaky):
    return PaddedConv(features, 3, pad_mode="constant", activation=activation, precision=precision)


class Stream(nn.Module):
    """The encoder of one source."""

    precision: Any = None

    def setup(self) -> None:
        self.conv = _padded(16, self.precision)
        self.block1 = GradientBlock(32, channels=16, precision=self.precision)
        self.block2 = GradientBlock(48, channels=32, precision=self.precision)

    def __call__(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, 1] to f32[..., H, W, 48]."""
        return part.run(self.extract, x, margin=5)

    def extract(self, x: chex.Array, part: Part) -> chex.Array:
        """The features of a part."""
        return self.block2(self.block1(self.conv(x, part), part), part)


class SeAFusion(Network):
    """SeAFusion; sources f32[2, H, W, 1]: luma of the visible picture, then the infrared one.

    Each source has an encoder of its own, which is why it is `coupled`: what features are depends
    on where among the sources a picture stands. Concatenation makes the latent both sources'
    features side by side, f32[H, W, 96], not shaped like one source's.
    """

    coupled: ClassVar[bool] = True

    def setup(self) -> None:
        self.visible = Stream(self.precision)
        self.infrared = Stream(self.precision)
        self.decode4 = _padded(64, self.precision)
        self.decode3 = _padded(32, self.precision)
        self.decode2 = _padded(16, self.precision)
        self.decode1 = _padded(1, self.precision, _tone)

    def encode(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[2, H, W, 1] to f32[2, H, W, 48]: each source through its stream.

        Raises:
          UserError: if there are not two sources of one channel.
        """
        if x.ndim != 4 or (x.shape[0], x.shape[-1]) != (2, 1):
            raise UserError(
                "SeAFusion takes exactly two sources (visible luma, infrared) of one channel, "
                f"f32[2, H, W, 1]: got shape {x.shape}"
            )
        visible, infrared = (part.map(functools.partial(_source, index), x) for index in range(2))
        return part.map(_stack, self.visible(visible, part), self.infrared(infrared, part))

    def merge(self, features: chex.Array, weights: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[2, H, W, 48] and f32[2, H, W] to f32[H, W, 96]: visible, then infrared."""
        return part.map(_weigh, features, weights)

    def decode(self, latent: chex.Array, x: chex.Array | None, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, 96] to f32[..., H, W, 1] in [0, 1]; no residual."""
        del x
        return part.run(self.paint, latent, margin=4)

    def paint(self, x: chex.Array, part: Part) -> chex.Array:
        """A part of the picture, f32[..., H, W, 96] to f32[..., H, W, 1]."""
        for convolution in (self.decode4, self.decode3, self.decode2, self.decode1):
            x = convolution(x, part)
        return x

    def solo(
        self, x: chex.Array, features: chex.Array, part: Part = WHOLE, copies: int = 1
    ) -> chex.Array:
        """Each source on both inputs: what its own stream gave, beside what the other one gives."""
        del copies  # both inputs are all copies that there can be
        others = self.encode(part.map(_swap, x), part)
        return self.decode(part.map(_pair, features, others), None, part)


def _tone(x):
    return nn.tanh(x) / 2 + 0.5


def _source(index, x):
    return x[index]


def _stack(visible, infrared):
    return jnp.stack([visible, infrared])


def _swap(x):
    return x[::-1]


def _weigh(features, weights):
    return _concatenate(*(weights[..., None] * features))


def _pair(features, others):
    """Both streams of each source: its own features and those it has in the place of the other."""
    visible = _concatenate(features[0], others[1])
    return jnp.stack([visible, _concatenate(others[0], features[1])])


def _concatenate(visible, infrared):
    return jnp.concatenate([visible, infrared], axis=-1)


def _block(torch_prefix, path):
    return {
        **biased(f"{torch_prefix}.dense.conv1.conv", f"{path}/dense1/conv", CONV),
        **biased(f"{torch_prefix}.dense.conv2.conv", f"{path}/dense2/conv", CONV),
        **biased(f"{torch_prefix}.convdown.conv", f"{path}/down", DENSE),
        **plain(f"{torch_prefix}.sobelconv.convx", f"{path}/sobel_x", CONV),
        **plain(f"{torch_prefix}.sobelconv.convy", f"{path}/sobel_y", CONV),
        **biased(f"{torch_prefix}.convup.conv", f"{path}/up", DENSE),
    }


def _stream(torch_prefix, path):
    return {
        **biased(f"{torch_prefix}_conv.conv", f"{path}/conv/conv", CONV),
        **_block(f"{torch_prefix}_rgbd1", f"{path}/block1"),
        **_block(f"{torch_prefix}_rgbd2", f"{path}/block2"),
    }


_DECODER = ("decode4", "decode3", "decode2", "decode1")
_NORMS = ("weight", "bias", "running_mean", "running_var")

_LAYOUT = Layout(
    name="seafusion",
    table={
        **_stream("vis", "visible"),
        **_stream("inf", "infrared"),
        **{
            key: target
            for name in _DECODER
            for key, target in biased(f"{name}.conv", f"{name}/conv", CONV).items()
        },
    },
    # BatchNorms that the authors' network makes and never calls.
    unused=frozenset(f"{name}.bn.{tensor}" for name in _DECODER for tensor in _NORMS),
)

register_network(
    FusionSpec(
        name="seafusion",
        build=SeAFusion,
        layout=_LAYOUT,
        tasks=("infrared-visible",),
        channels=1,
        presets=GRAY_PRESETS,
        quantize="truncate",
        saving=Saving(join=join_ycrcb, stretch=("gray", "color")),
        source_count=2,
        checkpoint="SeAFusion.pth",
        license="MIT",
        paper="Tang et al., SeAFusion, Information Fusion 82 (2022) 28-42",
        note="how TTD meets SeAFusion is our reading: no code was released for it; preset 'self' "
        "draws rings around lamps, 'fused' does not",
    )
)
