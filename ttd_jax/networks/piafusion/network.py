"""PIAFusion: two streams that exchange what they lack, concatenated and decoded to luma.

Source: Tang et al., "PIAFusion: A progressive infrared and visible image fusion network based on
illumination aware", Information Fusion 83-84, 2022; architecture read from its PyTorch port,
linklist2/PIAFusion_pytorch, models/fusion_model.py.

How test-time dynamic fusion meets this network is a reading of ours, since the TTD paper's authors
released no code for it: the component of a source is the network with that source on both inputs,
and 2 * RD scales the features of each stream before they are concatenated.
"""

import functools
from typing import ClassVar

import chex
import jax.numpy as jnp
from flax import linen as nn

from ttd_jax.errors import UserError
from ttd_jax.networks.base import Network
from ttd_jax.networks.layers import PaddedConv
from ttd_jax.parts.part import WHOLE, Part


def exchange(visible: chex.Array, infrared: chex.Array) -> tuple[chex.Array, chex.Array]:
    """Cross-modality differential aware fusion (CMDAF): each stream gains what it lacks.

    The difference of the streams is scaled, channel by channel, by a sigmoid of its own mean over
    all pixels. Both streams are updated from the values they had before.

    Args:
      visible: f32[..., H, W, C], features of the visible stream.
      infrared: f32[..., H, W, C], those of the infrared stream.

    Returns:
      Both, updated.
    """
    return _exchange(visible, infrared, WHOLE)


def _exchange(visible, infrared, part):
    mean = part.mean(part.map(jnp.subtract, infrared, visible))
    return part.map(_gain, visible, infrared, mean), part.map(_gain, infrared, visible, -mean)


def _gain(stream, other, mean):
    return stream + (other - stream) * nn.sigmoid(mean)


class _Level(nn.Module):
    """One convolution of each stream, LeakyReLU; the streams share no weights."""

    features: int
    size: int = 3
    precision: object = None

    def setup(self):
        if self.size == 1:
            convolution = functools.partial(nn.Dense, self.features)
        else:
            convolution = functools.partial(
                PaddedConv, self.features, self.size, pad_mode="reflect"
            )
        self.visible = convolution(precision=self.precision)
        self.infrared = convolution(precision=self.precision)

    def __call__(self, visible, infrared, part):
        margin = self.size // 2
        return (
            part.run(self.see_visible, visible, margin=margin),
            part.run(self.see_infrared, infrared, margin=margin),
        )

    def see_visible(self, x, part):
        return self._activated(self.visible, x, part)

    def see_infrared(self, x, part):
        return self._activated(self.infrared, x, part)

    def _activated(self, convolution, x, part):
        return nn.leaky_relu(convolution(x) if self.size == 1 else convolution(x, part))


class PIAFusion(Network):
    """PIAFusion; sources f32[2, H, W, 1]: luma of the visible picture, then the infrared one.

    Concatenation ties it to exactly two sources in this order, and makes its latent two sources'
    features side by side, f32[H, W, 256], not shaped like one source's.

    Attributes:
      min_size: the least H and W: a mirrored border of one pixel needs a neighbor to mirror.
    """

    min_size: ClassVar[int] = 2
    coupled: ClassVar[bool] = True

    def setup(self) -> None:
        level = functools.partial(_Level, precision=self.precision)
        self.level1 = level(16, size=1)
        self.level2 = level(16)
        self.level3 = level(32)
        self.level4 = level(64)
        self.level5 = level(128)
        mirrored = functools.partial(
            PaddedConv,
            size=3,
            pad_mode="reflect",
            activation=nn.leaky_relu,
            precision=self.precision,
        )
        self.decoder1 = mirrored(256)
        self.decoder2 = mirrored(128)
        self.decoder3 = mirrored(64)
        self.decoder4 = mirrored(32)
        self.decoder5 = nn.Dense(1, precision=self.precision)  # a 1x1 convolution

    def encode(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[2, H, W, 1] to f32[2, H, W, 128]: each source's stream, aware of the other's.

        Raises:
          UserError: if there are not two sources of one channel, or a side is below 2 pixels.
        """
        self._check(x)
        visible, infrared = (part.map(functools.partial(_source, index), x) for index in range(2))
        return part.map(_stack, *self._streams(visible, infrared, part))

    def merge(self, features: chex.Array, weights: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[2, H, W, 128] and f32[2, H, W] to f32[H, W, 256]: visible, then infrared."""
        return part.map(_weigh, features, weights)

    def decode(self, latent: chex.Array, x: chex.Array | None, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, 256] to f32[..., H, W, 1] in [0, 1]; no residual."""
        del x
        for convolution in (self.decoder1, self.decoder2, self.decoder3, self.decoder4):
            latent = part.run(convolution, latent, margin=1)
        return part.run(self.tone, latent)

    def tone(self, x: chex.Array, part: Part) -> chex.Array:
        """The decoder's last layer, f32[..., H, W, 32] to f32[..., H, W, 1]."""
        del part
        return nn.tanh(self.decoder5(x)) / 2 + 0.5

    def solo(
        self, x: chex.Array, features: chex.Array, part: Part = WHOLE, copies: int = 1
    ) -> chex.Array:
        """Each source on both inputs; the streams are coupled, so `features` cannot be reused."""
        del features, copies  # both inputs are all copies that there can be
        self._check(x)
        return self.decode(part.map(_concatenate, *self._streams(x, x, part)), None, part)

    def _streams(self, visible, infrared, part):
        """Two pictures f32[..., H, W, 1] to the features f32[..., H, W, 128] of both streams."""
        streams = self.level1(visible, infrared, part)
        for level in (self.level2, self.level3, self.level4):
            streams = _exchange(*level(*streams, part), part)
        return self.level5(*streams, part)

    def _check(self, x):
        least = self.min_size
        small = any(side < least for side in x.shape[1:3])  # `min` cannot order symbolic sizes
        if x.ndim != 4 or (x.shape[0], x.shape[-1]) != (2, 1) or small:
            raise UserError(
                "PIAFusion takes exactly two sources (visible luma, infrared) of one channel and "
                f"at least {least}x{least} pixels, f32[2, H, W, 1]: got shape {x.shape}"
            )


def _source(index, x):
    return x[index]


def _stack(visible, infrared):
    return jnp.stack([visible, infrared])


def _weigh(features, weights):
    return _concatenate(*(weights[..., None] * features))


def _concatenate(visible, infrared):
    return jnp.concatenate([visible, infrared], axis=-1)
