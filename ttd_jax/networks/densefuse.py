"""DenseFuse: a dense block, whose features are averaged over the sources, and a plain decoder.

Source: Li and Wu, "DenseFuse: A Fusion Approach to Infrared and Visible Images", IEEE Transactions
on Image Processing 28(5), 2019; architecture of hli1221/densefuse-pytorch, net.py.
"""

import functools
from typing import ClassVar

import chex
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from ttd_jax.errors import UserError
from ttd_jax.networks.base import Network
from ttd_jax.networks.layers import PaddedConv, merge_sources
from ttd_jax.networks.layout import Layout, biased
from ttd_jax.networks.presets import GRAY_PRESETS
from ttd_jax.networks.saving import Saving
from ttd_jax.networks.spec import FusionSpec, register_network
from ttd_jax.parts.part import WHOLE, Part

_WHITE = 255  # of the values that the network takes and gives
_WIDTH = 16  # channels of a dense layer


class DenseFuse(Network):
    """DenseFuse; sources f32[M, H, W, C], any M >= 1.

    Attributes:
      channels: of sources and output.
      min_size: the least H and W: a mirrored border of one pixel needs a neighbor to mirror.
    """

    channels: int = 1
    min_size: ClassVar[int] = 2

    def setup(self) -> None:
        mirrored = functools.partial(
            PaddedConv, size=3, pad_mode="reflect", activation=nn.relu, precision=self.precision
        )
        self.conv1 = mirrored(_WIDTH)
        self.dense = [mirrored(_WIDTH) for _ in range(3)]
        self.conv2 = mirrored(64)
        self.conv3 = mirrored(32)
        self.conv4 = mirrored(_WIDTH)
        self.conv5 = mirrored(self.channels)

    def prepare(self, sources: chex.Array) -> chex.Array:
        """[0, 1] to [0, 255]."""
        return _WHITE * sources

    def restore(self, raw: chex.Array) -> chex.Array:
        """[0, 255] to [0, 1], unclipped."""
        return raw / _WHITE

    def encode(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[M, H, W, C] to f32[M, H, W, 64].

        Raises:
          UserError: sources of another number of channels, or with a side below 2 pixels.
        """
        small = any(side < self.min_size for side in x.shape[1:3])
        if x.ndim != 4 or x.shape[-1] != self.channels or small:
            raise UserError(
                f"DenseFuse takes sources f32[M, H, W, {self.channels}] of at least 2x2 pixels: "
                f"got shape {x.shape}"
            )
        return part.run(self.extract, x, margin=4)

    def merge(self, features: chex.Array, weights: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[M, H, W, 64] and f32[M, H, W] to f32[H, W, 64]: the mean of all that is weighed."""
        return part.map(functools.partial(merge_sources, "mean"), features, weights)

    def decode(self, latent: chex.Array, x: chex.Array | None, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, 64] to f32[..., H, W, C], zero or more; no residual."""
        del x
        return part.run(self.reconstruct, latent, margin=4)

    def solo(
        self, x: chex.Array, features: chex.Array, part: Part = WHOLE, copies: int = 1
    ) -> chex.Array:
        """One source alone with weight one is its own mean: all decoded as a batch."""
        del copies  # their mean is the source itself
        return self.decode(features, x, part)

    def extract(self, x: chex.Array, part: Part) -> chex.Array:
        """The features of a part: each layer adds its own to those it was given."""
        features = self.conv1(x, part)
        for layer in self.dense:
            found = layer(features, part)
            features = jnp.concatenate([part.crop(features), found], axis=-1)
        return features

    def reconstruct(self, x: chex.Array, part: Part) -> chex.Array:
        """A part of the picture, f32[..., H, W, 64] to f32[..., H, W, C]."""
        for layer in (self.conv2, self.conv3, self.conv4, self.conv5):
            x = layer(x, part)
        return x


_LAYOUT = Layout(
    name="densefuse",
    table={
        **biased("conv1.conv2d", "conv1/conv"),
        **biased("DB1.denseblock.0.dense_conv.conv2d", "dense_0/conv"),
        **biased("DB1.denseblock.1.dense_conv.conv2d", "dense_1/conv"),
        **biased("DB1.denseblock.2.dense_conv.conv2d", "dense_2/conv"),
        **biased("conv2.conv2d", "conv2/conv"),
        **biased("conv3.conv2d", "conv3/conv"),
        **biased("conv4.conv2d", "conv4/conv"),
        **biased("conv5.conv2d", "conv5/conv"),
    },
)


def _keep_picture(kernel):
    """The kernel with the gain that ReLU takes away, blind to the mean of what comes in.

    The last one, of few outputs, brightens only: or its ReLU would leave some pictures black.
    """
    if kernel.shape[-1] < _WIDTH:
        return np.abs(kernel)
    return 2 * (kernel - kernel.mean(axis=(0, 1, 2), keepdims=True))


for _name, _channels in (("gray", 1), ("rgb", 3)):
    register_network(
        FusionSpec(
            name=f"densefuse_{_name}",
            build=functools.partial(DenseFuse, channels=_channels),
            layout=_LAYOUT,
            tasks=("infrared-visible",),
            channels=_channels,
            presets=GRAY_PRESETS,
            quantize="truncate",
            saving=Saving(rgb=_channels == 3),
            min_size=DenseFuse.min_size,
            random_kernel=_keep_picture,
            published_as="DenseFuse" if _name == "gray" else None,
            checkpoint=f"densefuse_{_name}.model",
            paper="Li and Wu, DenseFuse, IEEE Transactions on Image Processing 28(5) (2019) "
            "2614-2623",
            note="TTD changes next to nothing but by 'intensity': the network rebuilds its sources "
            "so well that their losses are equal",
        )
    )
