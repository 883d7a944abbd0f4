"""CDDFuse: a Restormer whose features split into a base part and a detail part.

Source: Zhao et al., "CDDFuse: Correlation-Driven Dual-Branch Feature Decomposition for
Multi-Modality Image Fusion", CVPR 2023; layout read from the authors' checkpoints.
"""

import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import chex
import jax.numpy as jnp
from flax import linen as nn

from ttd_jax.errors import UserError, check_choice
from ttd_jax.networks.base import Network
from ttd_jax.networks.cddfuse.blocks import (
    CHANNELS,
    BaseBlock,
    DetailBranch,
    RestormerBlock,
    conv3x3,
    pointwise,
)
from ttd_jax.networks.folding import fold_pointwise
from ttd_jax.networks.layers import add_copies, convolve_part, merge_sources
from ttd_jax.parts.part import WHOLE, Part

# What is added before the output's sigmoid, from sources f32[M, H, W, 1].
RESIDUALS = {
    "first": lambda x: x[0],
    "sum": lambda x: jnp.sum(x, axis=0),
    "none": lambda x: jnp.zeros_like(x[0]),
}
_DEPTH = 4
# The output's range below which a picture counts as constant: a few roundings of its network.
_FLAT = 1e-6


def stretch(raw: chex.Array, low: chex.Numeric, high: chex.Numeric) -> chex.Array:
    """The range of a picture, from f32[] `low` to `high`, to [0, 1]; zeros if there is none."""
    extent = high - low
    return (raw - low) / jnp.where(extent > _FLAT, extent, 1.0)


def _expose(out, residual):
    return nn.sigmoid(out + residual)


class _Blocks(nn.Module):
    """Four transformer blocks, one after the other."""

    precision: Any = None

    @nn.compact
    def __call__(self, x, part):
        names = (f"block{index}" for index in range(_DEPTH))
        return part.repeat([RestormerBlock(self.precision, name=name) for name in names], x)


class Encoder(nn.Module):
    """One picture to shared features, then to base and detail.

    Attributes:
      base_block: of the base branch; takes `folded` and `precision`.
      folded: see `Network`.
      precision: of every product.
    """

    base_block: type[nn.Module] = BaseBlock
    folded: bool = False
    precision: Any = None

    def setup(self) -> None:
        self.embed = conv3x3(CHANNELS, self.precision)
        self.blocks = _Blocks(self.precision)
        self.base = self.base_block(folded=self.folded, precision=self.precision)
        self.detail = DetailBranch(nodes=3, precision=self.precision)

    def shared(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, 1] to f32[..., H, W, 64]."""
        return self.blocks(part.temporary(part.run(self.embedded, x, margin=1)), part)

    def embedded(self, x: chex.Array, part: Part) -> chex.Array:
        """The first convolution."""
        return convolve_part(self.embed, part.pad(x), part)

    def __call__(self, x: chex.Array, part: Part = WHOLE) -> dict[str, chex.Array]:
        """f32[..., H, W, 1] to {'base', 'detail'}, each f32[..., H, W, 64]."""
        shared = self.shared(x, part)
        return {"base": self.base(shared, part), "detail": self.detail(shared, part)}


class Decoder(nn.Module):
    """Base and detail to one picture."""

    precision: Any = None

    def setup(self) -> None:
        self.reduce = pointwise(CHANNELS, self.precision)
        self.blocks = _Blocks(self.precision)
        self.output1 = conv3x3(CHANNELS // 2, self.precision)
        self.output2 = conv3x3(1, self.precision)

    def __call__(
        self, latent: Mapping[str, chex.Array], residual: chex.Numeric, part: Part = WHOLE
    ) -> chex.Array:
        """{'base', 'detail'}, each f32[..., H, W, 64], to f32[..., H, W, 1] in (0, 1)."""
        x = part.temporary(part.run(self.reduced, latent["base"], latent["detail"]))
        out = part.run(self.output, self.blocks(x, part), margin=2)
        return part.map(_expose, out, residual)

    def reduced(self, base: chex.Array, detail: chex.Array, part: Part) -> chex.Array:
        """Both side by side, to f32[..., H, W, 64]."""
        del part
        return self.reduce(jnp.concatenate([base, detail], axis=-1))

    def output(self, x: chex.Array, part: Part) -> chex.Array:
        """f32[..., H, W, 64] to f32[..., H, W, 1]."""
        x = nn.leaky_relu(convolve_part(self.output1, part.pad(x), part), 0.01)
        return convolve_part(self.output2, part.pad(x), part)


class CDDFuse(Network):
    """CDDFuse; sources f32[M, H, W, 1], gray in [0, 1], any M >= 1, H and W >= 2.

    The visible (or MRI) source comes first. Its authors trained each source's reconstruction
    (phase I) as `decode(features of one source, that source)`, with `residual='first'`.

    Attributes:
      residual: which picture is added before the output's sigmoid: the 'first' source, the 'sum'
        of all of them, or 'none'.
      base_block: what its base branch and its base fusion are.
    """

    residual: str = "first"
    min_size: ClassVar[int] = 2  # mirroring needs a neighbor
    base_block: ClassVar[type[nn.Module]] = BaseBlock

    def __post_init__(self) -> None:
        check_choice("residual", self.residual, RESIDUALS)
        super().__post_init__()

    def setup(self) -> None:
        form = {"folded": self.folded, "precision": self.precision}
        self.encoder = Encoder(base_block=self.base_block, **form)
        self.decoder = Decoder(self.precision)
        self.base_fusion = self.base_block(**form)
        self.detail_fusion = DetailBranch(nodes=1, precision=self.precision)

    def encode(self, x: chex.Array, part: Part = WHOLE) -> dict[str, chex.Array]:
        """f32[M, H, W, 1] to {'base', 'detail'}, each f32[M, H, W, 64]."""
        small = any(side < self.min_size for side in x.shape[1:3])
        if x.ndim != 4 or x.shape[-1] != 1 or small:
            raise UserError(
                f"{type(self).__name__} takes sources of one channel and at least 2x2 pixels, "
                f"f32[M, H, W, 1]: got shape {x.shape}"
            )
        return self.encoder(x, part)

    def merge(
        self, features: Mapping[str, chex.Array], weights: chex.Array, part: Part = WHOLE
    ) -> dict[str, chex.Array]:
        """The weighted sum over the sources, through both fusion layers."""

        def weighted_sum(leaf):
            return part.map(functools.partial(merge_sources, "sum"), leaf, weights)

        return self._fuse(weighted_sum(features["base"]), weighted_sum(features["detail"]), part)

    def decode(
        self, latent: Mapping[str, chex.Array], x: chex.Array | None, part: Part = WHOLE
    ) -> chex.Array:
        """{'base', 'detail'}, each f32[H, W, 64], and f32[M, H, W, 1] to f32[H, W, 1]."""
        residual = 0.0 if x is None else part.map(RESIDUALS[self.residual], x)
        return self.decoder(latent, residual, part)

    def solo(
        self,
        x: chex.Array,
        features: Mapping[str, chex.Array],
        part: Part = WHOLE,
        copies: int = 1,
    ) -> chex.Array:
        """One source alone with weight one is its own sum: all decoded as a batch."""
        del x
        base, detail = (add_copies(features[name], copies, part) for name in ("base", "detail"))
        return self.decoder(self._fuse(base, detail, part), 0.0, part)

    def finish(self, raw: chex.Array, part: Part = WHOLE) -> chex.Array:
        """Stretched to [0, 1]: see `stretch`."""
        return part.map(stretch, raw, *part.extremes(raw))

    def fold(self, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        """The 1x1 before each full 3x3 goes into it: 3.1 times fewer operations for the pair."""
        for block in ("encoder/base", "base_fusion"):
            variables = fold_pointwise(
                variables,
                f"{block}/qkv/pointwise",
                into=f"{block}/qkv/spatial",
            )
        return variables

    def _fuse(self, base, detail, part):
        base = self.base_fusion(part.temporary(base), part)
        return {"base": base, "detail": self.detail_fusion(detail, part)}
