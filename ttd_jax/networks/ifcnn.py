"""IFCNN: a small convolutional network whose features are merged element-wise.

Source: Zhang et al., "IFCNN: A general image fusion framework based on convolutional neural
network", Information Fusion 54, 2020; architecture read from uzeful/IFCNN, Code/model.py.
"""

import functools
from collections.abc import Mapping
from typing import Any

import chex
import jax.numpy as jnp
from flax import linen as nn

from ttd_jax.core.color import IMAGENET_MEAN, IMAGENET_STD
from ttd_jax.core.dominability import DominabilitySettings
from ttd_jax.networks.base import Network
from ttd_jax.networks.folding import fold_batch_norm
from ttd_jax.networks.layers import PaddedConv, add_copies, merge_sources
from ttd_jax.networks.layout import CONV, DENSE, Layout, batch_norm, biased, plain
from ttd_jax.networks.spec import FusionSpec, register_network
from ttd_jax.parts.part import WHOLE, Part

_EPSILON = 1e-5  # of the BatchNorms


class _Block(nn.Module):
    """3x3 convolution with repeated border, frozen BatchNorm (if not folded), ReLU."""

    folded: bool = False
    precision: object = None

    def setup(self):
        self.conv = PaddedConv(64, 3, use_bias=self.folded, precision=self.precision)
        if not self.folded:
            self.bn = nn.BatchNorm(use_running_average=True, epsilon=_EPSILON)

    def __call__(self, x, part):
        """f32[..., H, W, 64] to the same."""
        x = self.conv(x, part)
        return nn.relu(x if self.folded else self.bn(x))


class IFCNN(Network):
    """IFCNN with 64 features; sources f32[M, H, W, 3], any M >= 1.

    Attributes:
      operator: how weighted features are merged: 'max', 'sum' or 'mean'.
    """

    operator: str = "sum"

    def setup(self) -> None:
        self.conv1 = PaddedConv(64, 7, use_bias=False, precision=self.precision)
        self.conv2 = _Block(folded=self.folded, precision=self.precision)
        self.conv3 = _Block(folded=self.folded, precision=self.precision)
        self.conv4 = nn.Dense(3, precision=self.precision)  # a 1x1 convolution

    def prepare(self, sources: chex.Array) -> chex.Array:
        """RGB in [0, 1] standardized with ImageNet's mean and standard deviation."""
        return (sources - jnp.array(IMAGENET_MEAN, sources.dtype)) / jnp.array(
            IMAGENET_STD, sources.dtype
        )

    def restore(self, raw: chex.Array) -> chex.Array:
        """Standardized RGB back to [0, 1], unclipped."""
        return raw * jnp.array(IMAGENET_STD, raw.dtype) + jnp.array(IMAGENET_MEAN, raw.dtype)

    def encode(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[M, H, W, 3] to f32[M, H, W, 64]."""
        return part.run(self.extract, x, margin=4)

    def merge(self, features: chex.Array, weights: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[M, H, W, 64] and f32[M, H, W] to f32[H, W, 64]."""
        return part.map(functools.partial(merge_sources, self.operator), features, weights)

    def decode(self, latent: chex.Array, x: chex.Array | None, part: Part = WHOLE) -> chex.Array:
        """f32[H, W, 64] to f32[H, W, 3]; no residual."""
        del x
        return part.run(self.reconstruct, latent, margin=1)

    def solo(
        self, x: chex.Array, features: chex.Array, part: Part = WHOLE, copies: int = 1
    ) -> chex.Array:
        """One source alone with weight one is its own merge: decoded as a batch."""
        if self.operator == "sum":
            features = add_copies(features, copies, part)
        return self.decode(features, x, part)

    def extract(self, x: chex.Array, part: Part) -> chex.Array:
        """The features of a part: conv1 and conv2."""
        return self.conv2(self.conv1(x, part), part)

    def reconstruct(self, x: chex.Array, part: Part) -> chex.Array:
        """A part of the picture, f32[..., H, W, 64] to f32[..., H, W, 3]: conv3 and conv4."""
        return self.conv4(self.conv3(x, part))

    def fold(self, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        """Each BatchNorm goes into the convolution before it."""
        for block in ("conv2", "conv3"):
            variables = fold_batch_norm(
                variables, f"{block}/bn", into=f"{block}/conv/conv", epsilon=_EPSILON
            )
        return variables


_LAYOUT = Layout(
    name="ifcnn",
    table={
        **plain("conv1", "conv1/conv", CONV),
        **plain("conv2.conv", "conv2/conv/conv", CONV),
        **batch_norm("conv2.bn", "conv2/bn"),
        **plain("conv3.conv", "conv3/conv/conv", CONV),
        **batch_norm("conv3.bn", "conv3/bn"),
        **biased("conv4", "conv4", DENSE),
    },
)

for _operator in ("sum", "max", "mean"):
    register_network(
        FusionSpec(
            name=f"ifcnn_{_operator}",
            build=functools.partial(IFCNN, operator=_operator),
            layout=_LAYOUT,
            channels=3,
            quantize="truncate",
            presets={
                "fused": DominabilitySettings(loss="fused", norm="l1", space="network"),
                "intensity": DominabilitySettings(loss="intensity", norm="l1", space="network"),
                "self": DominabilitySettings(loss="self", norm="squared", space="image"),
                "component": DominabilitySettings(loss="component", norm="l1", space="network"),
                "gap": DominabilitySettings(loss="gap", norm="l1", space="network"),
            },
            published_as="IFCNN" if _operator == "sum" else None,
            checkpoint=f"IFCNN-{_operator.upper()}.pth",
            paper="Zhang et al., IFCNN, Information Fusion 54 (2020) 99-118",
            note="preset 'fused' was chosen by measurement, it is not stated in the TTD paper",
        )
    )
