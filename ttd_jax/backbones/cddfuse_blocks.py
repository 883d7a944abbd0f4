"""The parts of CDDFuse: transformer blocks over channels, and an invertible branch for detail.

Every module here takes f32[..., H, W, C] with any number of leading axes, and normalises over the
pixels of one picture only.

Source: Zhao et al., "CDDFuse", CVPR 2023; its blocks are those of Zamir et al., "Restormer",
CVPR 2022, its invertible branch that of Zhou et al., "Pan-sharpening with Customized Transformer
and Invertible Neural Network", AAAI 2022.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from ttd_jax.backbones.layers import GroupedConv3x3, pad_border

CHANNELS = 64
HEADS = 8


def pointwise(features, precision, *, use_bias=False, name=None):
    """A 1x1 convolution, run as a matrix product."""
    return nn.Dense(features, use_bias=use_bias, precision=precision, name=name)


def conv3x3(features, precision, *, name=None):
    """A bias-free 3x3 convolution, zero-padded."""
    return nn.Conv(
        features, (3, 3), padding=((1, 1), (1, 1)), use_bias=False, precision=precision, name=name
    )


def layer_norm(name):
    """Over the channels, with torch's epsilon; two-pass, since flat regions have tiny variance."""
    return nn.LayerNorm(epsilon=1e-5, use_fast_variance=False, name=name)


class DepthwiseQKV(nn.Module):
    """Queries, keys and values of Restormer: 1x1, then depthwise 3x3, zero-padded."""

    precision: Any = None

    @nn.compact
    def __call__(self, x):
        """f32[..., H, W, 64] to f32[..., H, W, 192]."""
        padded = pointwise(3 * CHANNELS, self.precision, name="pointwise")(pad_border(x))
        return GroupedConv3x3(3 * CHANNELS, precision=self.precision, name="depthwise")(padded)


class DenseQKV(nn.Module):
    """Queries, keys and values of the base block: 1x1, then full 3x3, zero-padded, both bias-free.

    Attributes:
      folded: holds the product of the two as one 3x3 (see `ttd_jax.backbones.folding`).
      precision: of both.
    """

    folded: bool = False
    precision: Any = None

    @nn.compact
    def __call__(self, x):
        """f32[..., H, W, 64] to f32[..., H, W, 192]."""
        if not self.folded:
            x = pointwise(3 * CHANNELS, self.precision, name="pointwise")(x)
        return conv3x3(3 * CHANNELS, self.precision, name="spatial")(x)


class ChannelAttention(nn.Module):
    """Attention among the channels of a head, each channel one token made of all its pixels.

    Global: it cannot be computed tile by tile.
    """

    precision: Any = None

    @nn.compact
    def __call__(self, qkv):
        """Queries, keys and values f32[..., H, W, 192] to f32[..., H, W, 64]."""
        temperature = self.param("temperature", nn.initializers.ones, (HEADS,))
        project = self.param("project", nn.initializers.lecun_normal(), (CHANNELS, CHANNELS))
        tokens = qkv.reshape(*qkv.shape[:-3], -1, 3 * CHANNELS)
        query, key, value = jnp.split(tokens, 3, axis=-1)
        # All heads in one product, whose blocks off the diagonal are dropped: eight times the
        # operations of a product a head, still few, and no pixel has to move.
        product = self._einsum("...pi,...pj->...ij", query, key)
        cosine = product * _shrink(query)[..., :, None] * _shrink(key)[..., None, :]
        head = np.arange(CHANNELS) // (CHANNELS // HEADS)
        logits = jnp.where(head[:, None] == head, cosine * temperature[head][:, None], -jnp.inf)
        # Attention and projection are both linear in the values: one 64x64 matrix a picture.
        mix = self._einsum("...ij,io->...jo", jax.nn.softmax(logits, axis=-1), project)
        mixed = self._einsum("...pj,...jo->...po", value, mix)
        return mixed.reshape(*qkv.shape[:-1], CHANNELS)

    def _einsum(self, formula, *operands):
        return jnp.einsum(formula, *operands, precision=self.precision)


def _shrink(tokens):
    """What scales each token of f32[..., P, C] to length one; a token of zeros stays one.

    A factor and no divisor: the square of two tiny lengths would underflow in the gradient.
    """
    return jax.lax.rsqrt(jnp.maximum(jnp.sum(jnp.square(tokens), axis=-2), 1e-24))


class GatedFeedForward(nn.Module):
    """1x1, grouped 3x3 (zero-padded), one half gated by the GELU of the other, 1x1.

    Attributes:
      hidden: channels of a half.
      group: input channels a group of the 3x3.
      precision: of all three.
    """

    hidden: int
    group: int
    precision: Any = None

    @nn.compact
    def __call__(self, x):
        """f32[..., H, W, 64] to the same."""
        padded = pointwise(2 * self.hidden, self.precision, name="expand")(pad_border(x))
        both = GroupedConv3x3(
            2 * self.hidden, group=self.group, precision=self.precision, name="spatial"
        )(padded)
        gate, content = jnp.split(both, 2, axis=-1)
        gated = nn.gelu(gate, approximate=False) * content
        return pointwise(CHANNELS, self.precision, name="project")(gated)


class RestormerBlock(nn.Module):
    """Channel attention and a gated feed-forward, each after a norm and around a residual."""

    precision: Any = None

    @nn.compact
    def __call__(self, x):
        """f32[..., H, W, 64] to the same."""
        qkv = DepthwiseQKV(self.precision, name="qkv")(layer_norm("norm1")(x))
        x = x + ChannelAttention(self.precision, name="attention")(qkv)
        feed_forward = GatedFeedForward(128, 1, self.precision, name="feed_forward")
        return x + feed_forward(layer_norm("norm2")(x))


class BaseBlock(nn.Module):
    """The base branch and the base fusion layer: a transformer block with full 3x3 queries.

    Attributes:
      folded: see `DenseQKV`.
      precision: of every product.
    """

    folded: bool = False
    precision: Any = None

    @nn.compact
    def __call__(self, x):
        """f32[..., H, W, 64] to the same."""
        qkv = DenseQKV(self.folded, self.precision, name="qkv")(layer_norm("norm1")(x))
        x = x + ChannelAttention(self.precision, name="attention")(qkv)
        feed_forward = GatedFeedForward(64, 2, self.precision, name="feed_forward")
        return x + feed_forward(layer_norm("norm2")(x))


class Bottleneck(nn.Module):
    """1x1 to twice the channels, ReLU6, depthwise 3x3 (mirrored border), ReLU6, 1x1 back."""

    precision: Any = None

    @nn.compact
    def __call__(self, x):
        """f32[..., H, W, 32] to the same; H, W >= 2."""
        padded = pad_border(x, mode="reflect")
        expanded = nn.relu6(pointwise(CHANNELS, self.precision, name="expand")(padded))
        spatial = GroupedConv3x3(CHANNELS, precision=self.precision, name="spatial")(expanded)
        return pointwise(CHANNELS // 2, self.precision, name="project")(nn.relu6(spatial))


class DetailNode(nn.Module):
    """One affine coupling: each half of the shuffled channels changes the other."""

    precision: Any = None

    @nn.compact
    def __call__(self, x):
        """f32[..., H, W, 64] to the same."""
        shuffled = pointwise(CHANNELS, self.precision, use_bias=True, name="shuffle")(x)
        first, second = jnp.split(shuffled, 2, axis=-1)
        second = second + Bottleneck(self.precision, name="phi")(first)
        scale = jnp.exp(Bottleneck(self.precision, name="rho")(second))
        first = first * scale + Bottleneck(self.precision, name="eta")(second)
        return jnp.concatenate([first, second], axis=-1)


class DetailBranch(nn.Module):
    """The detail branch (three nodes) and the detail fusion layer (one).

    Attributes:
      nodes: how many couplings.
      precision: of every product.
    """

    nodes: int
    precision: Any = None

    @nn.compact
    def __call__(self, x):
        """f32[..., H, W, 64] to the same."""
        for index in range(self.nodes):
            x = DetailNode(self.precision, name=f"node{index}")(x)
        return x
