"""DIDFuse: base and detail of each source, and what they were made from, added to one another.

Source: Zhao et al., "DIDFuse: Deep Image Decomposition for Infrared and Visible Image Fusion",
IJCAI 2020; architecture of Zhaozixiang1228/IVIF-DIDFuse, DIDFuse.py.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import chex
import jax.numpy as jnp
from flax import linen as nn

from ttd_jax.errors import UserError
from ttd_jax.networks.base import Network
from ttd_jax.networks.folding import fold_batch_norm
from ttd_jax.networks.layers import PaddedConv, add_copies, merge_sources
from ttd_jax.networks.layout import Layout, Target, batch_norm, biased
from ttd_jax.networks.presets import GRAY_PRESETS
from ttd_jax.networks.saving import Saving
from ttd_jax.networks.spec import FusionSpec, register_network
from ttd_jax.parts.part import WHOLE, Part

_EPSILON = 1e-5  # of the BatchNorms
_BLOCKS = tuple(f"cov{index}" for index in range(1, 8))  # as the authors call them


class _Block(nn.Module):
    """3x3 convolution, frozen BatchNorm (if not folded), PReLU of one slope or what is given."""

    features: int = 64
    pad_mode: str = "constant"
    activation: Callable[[chex.Array], chex.Array] | None = None
    folded: bool = False
    precision: object = None

    def setup(self):
        self.conv = PaddedConv(self.features, 3, self.pad_mode, precision=self.precision)
        if not self.folded:
            self.bn = nn.BatchNorm(use_running_average=True, epsilon=_EPSILON)
        if self.activation is None:
            self.slope = self.param("slope", nn.initializers.constant(0.25), (1,))

    def __call__(self, x, part):
        """f32[..., H, W, C] to f32[..., H, W, features]."""
        x = self.conv(x, part)
        x = x if self.folded else self.bn(x)
        if self.activation is not None:
            return self.activation(x)
        return jnp.where(x >= 0, x, self.slope.astype(x.dtype) * x)


class DIDFuse(Network):
    """DIDFuse; sources f32[M, H, W, 1], gray in [0, 1], any M >= 1.

    Attributes:
      min_size: the least H and W: a mirrored border of one pixel needs a neighbor to mirror.
    """

    min_size: ClassVar[int] = 2

    def setup(self) -> None:
        block = functools.partial(_Block, folded=self.folded, precision=self.precision)
        self.cov1 = block(pad_mode="reflect")
        self.cov2 = block()
        self.cov3 = block(activation=nn.tanh)
        self.cov4 = block(activation=nn.tanh)
        self.cov5 = block()
        self.cov6 = block()
        self.cov7 = block(1, pad_mode="reflect", activation=nn.sigmoid)

    def encode(self, x: chex.Array, part: Part = WHOLE) -> dict[str, chex.Array]:
        """f32[M, H, W, 1] to {'f1', 'f2', 'base', 'detail'}, each f32[M, H, W, 64].

        Raises:
          UserError: sources of more channels, or with a side below 2 pixels.
        """
        small = any(side < self.min_size for side in x.shape[1:3])
        if x.ndim != 4 or x.shape[-1] != 1 or small:
            raise UserError(
                "DIDFuse takes sources of one channel and at least 2x2 pixels, f32[M, H, W, 1]: "
                f"got shape {x.shape}"
            )
        first = part.run(self.cov1, x, margin=1)
        second = part.run(self.cov2, first, margin=1)
        base, detail = (part.run(block, second, margin=1) for block in (self.cov3, self.cov4))
        return {"f1": first, "f2": second, "base": base, "detail": detail}

    def merge(
        self, features: Mapping[str, chex.Array], weights: chex.Array, part: Part = WHOLE
    ) -> dict[str, chex.Array]:
        """The weighted sum over the sources, of all four."""
        add = functools.partial(merge_sources, "sum")
        return {name: part.map(add, leaf, weights) for name, leaf in features.items()}

    def decode(
        self, latent: Mapping[str, chex.Array], x: chex.Array | None, part: Part = WHOLE
    ) -> chex.Array:
        """What `encode` gives, without the sources' axis or with others, to f32[..., H, W, 1]."""
        del x
        names = ("base", "detail", "f2", "f1")
        return part.run(self.reconstruct, *(latent[name] for name in names), margin=3)

    def solo(
        self,
        x: chex.Array,
        features: Mapping[str, chex.Array],
        part: Part = WHOLE,
        copies: int = 1,
    ) -> chex.Array:
        """One source alone with weight one is its own sum: all decoded as a batch."""
        several = {name: add_copies(leaf, copies, part) for name, leaf in features.items()}
        return self.decode(several, x, part)

    def reconstruct(
        self, base: chex.Array, detail: chex.Array, f2: chex.Array, f1: chex.Array, part: Part
    ) -> chex.Array:
        """A part of the picture, each f32[..., H, W, 64] to f32[..., H, W, 1] in (0, 1)."""
        beside = functools.partial(jnp.concatenate, axis=-1)
        x = self.cov5(beside([base, detail]), part)
        x = self.cov6(beside([x, part.crop(f2)]), part)
        return self.cov7(beside([x, part.crop(f1, 2)]), part)

    def fold(self, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        """Each BatchNorm goes into the convolution before it."""
        for block in _BLOCKS:
            variables = fold_batch_norm(
                variables, f"{block}/bn", into=f"{block}/conv/conv", epsilon=_EPSILON
            )
        return variables


def _block(name, first=0, *, slope=True):
    """The tensors of a block whose convolution is its sequence's layer `first`."""
    layers = [f"{name}.{name}.{index}" for index in range(first, first + 3)]
    table = {
        **biased(layers[0], f"{name}/conv/conv"),
        **batch_norm(layers[1], f"{name}/bn"),
    }
    return table | ({f"{layers[2]}.weight": Target(f"params/{name}/slope")} if slope else {})


# The authors' two files, whose keys differ, as one table.
_LAYOUT = Layout(
    name="didfuse",
    table={
        **_block("cov1", first=1),  # after the border, which is a layer of theirs
        **_block("cov2"),
        **_block("cov3", slope=False),
        **_block("cov4", slope=False),
        **_block("cov5"),
        **_block("cov6"),
        **_block("cov7", first=1, slope=False),
    },
)

register_network(
    FusionSpec(
        name="didfuse",
        build=DIDFuse,
        layout=_LAYOUT,
        tasks=("infrared-visible",),
        channels=1,
        presets=GRAY_PRESETS,
        quantize="round",
        saving=Saving(),
        min_size=DIDFuse.min_size,
        checkpoint="Encoder_weight_IJCAI.pkl",  # and its decoder, which lies beside it
        paper="Zhao et al., DIDFuse, IJCAI 2020, 970-976",
    )
)
