"""The parts of CDDFuse: transformer blocks over channels, and an invertible branch for detail.

Every module here takes f32[..., H, W, C] with any number of leading axes, and normalizes over the
pixels of one picture only.

Source: Zhao et al., "CDDFuse", CVPR 2023; its blocks are those of Zamir et al., "Restormer",
CVPR 2022, its invertible branch that of Zhou et al., "Pan-sharpening with Customized Transformer
and Invertible Neural Network", AAAI 2022.
"""

from collections.abc import Mapping
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.typing import PrecisionLike

from ttd_jax.networks.layers import GroupedConv3x3, convolve_part, convolve_pointwise, gelu
from ttd_jax.parts.part import WHOLE, Part

CHANNELS = 64
HEADS = 8


def pointwise(
    features: int, precision: PrecisionLike, *, use_bias: bool = False, name: str | None = None
) -> nn.Dense:
    """A 1x1 convolution, run as a matrix product."""
    return nn.Dense(features, use_bias=use_bias, precision=precision, name=name)


def conv3x3(features: int, precision: PrecisionLike, *, name: str | None = None) -> nn.Conv:
    """A bias-free 3x3 convolution of what `Part.pad` gives."""
    return nn.Conv(
        features, (3, 3), padding="VALID", use_bias=False, precision=precision, name=name
    )


def layer_norm(name: str | None = None) -> nn.LayerNorm:
    """Over the channels, with torch's epsilon; two-pass, since flat regions have tiny variance."""
    return nn.LayerNorm(epsilon=1e-5, use_fast_variance=False, name=name)


class DepthwiseQKV(nn.Module):
    """Queries, keys and values of Restormer: 1x1, then depthwise 3x3, zero-padded."""

    precision: Any = None

    def setup(self) -> None:
        self.pointwise = pointwise(3 * CHANNELS, self.precision)
        self.depthwise = GroupedConv3x3(3 * CHANNELS, precision=self.precision)

    def __call__(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, 64] to f32[..., H, W, 192]."""
        return convolve_pointwise(self.pointwise, self.depthwise, part.pad(x))


class DenseQKV(nn.Module):
    """Queries, keys and values of the base block: 1x1, then full 3x3, zero-padded, both bias-free.

    Attributes:
      folded: holds the product of the two as one 3x3 (see `ttd_jax.networks.folding`).
      precision: of both.
    """

    folded: bool = False
    precision: Any = None

    def setup(self) -> None:
        if not self.folded:
            self.pointwise = pointwise(3 * CHANNELS, self.precision)
        self.spatial = conv3x3(3 * CHANNELS, self.precision)

    def __call__(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, 64] to f32[..., H, W, 192]."""
        padded = part.pad(x)
        return convolve_part(self.spatial, padded if self.folded else self.pointwise(padded), part)


class ChannelAttention(nn.Module):
    """Attention among the channels of a head, each channel one token made of all its pixels.

    Global: `measure` sums over pixels, so a picture's parts can be measured one after the other,
    their sums added, and only then `mix`ed.
    """

    precision: Any = None

    def setup(self) -> None:
        self.temperature = self.param("temperature", nn.initializers.ones, (HEADS,))
        shape = (CHANNELS, CHANNELS)
        self.project = self.param("project", nn.initializers.lecun_normal(), shape)

    def __call__(self, qkv: chex.Array) -> chex.Array:
        """Queries, keys and values f32[..., H, W, 192] to f32[..., H, W, 64]."""
        return self.mix_values(self.values(qkv), self.mix(self.measure(qkv)))

    def measure(self, qkv: chex.Array) -> dict[str, chex.Array]:
        """Sums over the pixels of f32[..., H, W, 192]: all that attention depends on.

        Returns:
          A dict of `product` f32[..., 64, 64], of every query with every key, and `query`, `key`
          f32[..., 64], their squared lengths.
        """
        query, key, _ = self._tokens(qkv)
        return {
            # All heads in one product, whose blocks off the diagonal are dropped: eight times the
            # operations of a product a head, still few, and no pixel has to move.
            "product": self._einsum("...pi,...pj->...ij", query, key),
            "query": jnp.sum(jnp.square(query), axis=-2),
            "key": jnp.sum(jnp.square(key), axis=-2),
        }

    def mix(self, sums: Mapping[str, chex.Array]) -> chex.Array:
        """Attention and projection, both linear in the values: one f32[..., 64, 64] a picture."""
        query, key = _shrink(sums["query"]), _shrink(sums["key"])
        cosine = sums["product"] * query[..., :, None] * key[..., None, :]
        head = np.arange(CHANNELS) // (CHANNELS // HEADS)
        logits = jnp.where(
            head[:, None] == head, cosine * self.temperature[head][:, None], -jnp.inf
        )
        return self._einsum("...ij,io->...jo", jax.nn.softmax(logits, axis=-1), self.project)

    def values(self, qkv: chex.Array) -> chex.Array:
        """f32[..., H, W, 64] of f32[..., H, W, 192]."""
        return qkv[..., 2 * CHANNELS :]

    def mix_values(self, values: chex.Array, mix: chex.Array) -> chex.Array:
        """f32[..., H, W, 64] and f32[..., 64, 64] to f32[..., H, W, 64]."""
        return self._einsum("...hwj,...jo->...hwo", values, mix)

    def _tokens(self, qkv):
        return jnp.split(qkv.reshape(*qkv.shape[:-3], -1, 3 * CHANNELS), 3, axis=-1)

    def _einsum(self, formula, *operands):
        return jnp.einsum(formula, *operands, precision=self.precision)


def _shrink(squares):
    """What scales a token of this squared length to length one; a token of zeros stays one.

    A factor and no divisor: the square of two tiny lengths would underflow in the gradient.
    """
    return jax.lax.rsqrt(jnp.maximum(squares, 1e-24))


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

    def setup(self) -> None:
        self.expand = pointwise(2 * self.hidden, self.precision)
        self.spatial = GroupedConv3x3(2 * self.hidden, group=self.group, precision=self.precision)
        self.project = pointwise(CHANNELS, self.precision)

    def __call__(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, 64] to the same."""
        spatial = convolve_pointwise(self.expand, self.spatial, part.pad(x))
        gate, content = jnp.split(spatial, 2, axis=-1)
        return self.project(gelu(gate) * content)


class TransformerBlock(nn.Module):
    """Channel attention and a gated feed-forward, each after a norm and around a residual.

    Two steps, since attention depends on sums over all pixels. Subclasses define what makes
    queries, keys and values, `qkv`, and `feed_forward`.
    """

    def __call__(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, 64] to the same."""
        x = part.keep(x)
        values, sums = part.measure(self.tokens, x, margin=1)
        return part.run(self.mixed, x, values, margin=1, constants=[self.attention.mix(sums)])

    def tokens(self, x: chex.Array, part: Part) -> tuple[chex.Array, dict[str, chex.Array]]:
        """The values f32[..., H, W, 64], and the sums that attention depends on."""
        qkv = self.qkv(self.norm1(x), part)
        return self.attention.values(qkv), self.attention.measure(part.own(qkv))

    def mixed(self, x: chex.Array, values: chex.Array, mix: chex.Array, part: Part) -> chex.Array:
        """The result, from the input, the values and what attention makes of the sums."""
        x = x + self.attention.mix_values(values, mix)
        return part.crop(x) + self.feed_forward(self.norm2(x), part)


class RestormerBlock(TransformerBlock):
    """The transformer block of Restormer."""

    precision: Any = None

    def setup(self) -> None:
        self.norm1, self.norm2 = layer_norm(), layer_norm()
        self.qkv = DepthwiseQKV(self.precision)
        self.attention = ChannelAttention(self.precision)
        self.feed_forward = GatedFeedForward(128, 1, self.precision)


class BaseBlock(TransformerBlock):
    """The base branch and the base fusion layer: a transformer block with full 3x3 queries.

    Attributes:
      folded: see `DenseQKV`.
      precision: of every product.
    """

    folded: bool = False
    precision: Any = None

    def setup(self) -> None:
        self.norm1, self.norm2 = layer_norm(), layer_norm()
        self.qkv = DenseQKV(self.folded, self.precision)
        self.attention = ChannelAttention(self.precision)
        self.feed_forward = GatedFeedForward(64, 2, self.precision)


class Bottleneck(nn.Module):
    """1x1 to twice the channels, ReLU6, depthwise 3x3 (mirrored border), ReLU6, 1x1 back."""

    precision: Any = None

    def setup(self) -> None:
        self.expand = pointwise(CHANNELS, self.precision)
        self.spatial = GroupedConv3x3(CHANNELS, precision=self.precision)
        self.project = pointwise(CHANNELS // 2, self.precision)

    def __call__(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, 32] to the same; H, W >= 2."""
        expanded = nn.relu6(self.expand(part.pad(x, "reflect")))
        return self.project(nn.relu6(self.spatial(expanded)))


class DetailNode(nn.Module):
    """One affine coupling: each half of the shuffled channels changes the other."""

    precision: Any = None

    def setup(self) -> None:
        self.shuffle = pointwise(CHANNELS, self.precision, use_bias=True)
        self.phi = Bottleneck(self.precision)
        self.rho = Bottleneck(self.precision)
        self.eta = Bottleneck(self.precision)

    def __call__(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, 64] to the same."""
        return part.run(self.couple, x, margin=2)

    def couple(self, x: chex.Array, part: Part) -> tuple[chex.Array, chex.Array]:
        """Both halves."""
        first, second = jnp.split(self.shuffle(x), 2, axis=-1)
        second = part.crop(second) + self.phi(first, part)
        first = part.crop(first, 2) * jnp.exp(self.rho(second, part)) + self.eta(second, part)
        return first, part.crop(second)


class DetailBranch(nn.Module):
    """The detail branch (three nodes) and the detail fusion layer (one).

    Attributes:
      nodes: how many couplings.
      precision: of every product.
    """

    nodes: int
    precision: Any = None

    @nn.compact
    def __call__(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, 64] to the same."""
        names = (f"node{index}" for index in range(self.nodes))
        return part.repeat([DetailNode(self.precision, name=name) for name in names], x)
