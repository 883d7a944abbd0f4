"""PFCFuse: CDDFuse whose base branch and base fusion pool instead of attending.

Source: Hu et al., "PFCFuse: A Poolformer and CNN Fusion Network for Infrared-Visible Image Fusion",
IEEE Transactions on Instrumentation and Measurement, 2024; its pooling block is that of Yu et al.,
"MetaFormer is actually what you need for vision", CVPR 2022; architecture read from
HXY13/PFCFuse-Image-Fusion, net.py, layout from the authors' checkpoint.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import chex
from flax import linen as nn

from ttd_jax.networks.cddfuse.blocks import CHANNELS, layer_norm, pointwise
from ttd_jax.networks.cddfuse.layout import make_layout, norms
from ttd_jax.networks.cddfuse.network import CDDFuse
from ttd_jax.networks.layers import gelu
from ttd_jax.networks.layout import DENSE, Target, plain
from ttd_jax.networks.presets import GRAY_PRESETS
from ttd_jax.networks.saving import Saving, join_opencv
from ttd_jax.networks.spec import FusionSpec, register_network
from ttd_jax.parts.part import WHOLE, Part

_SMALL = nn.initializers.constant(1e-5)  # a block begins as almost nothing, as in MetaFormer


class PoolingBlock(nn.Module):
    """Differences from the mean of the neighbors, then a layer of two 1x1, each scaled and added.

    Attributes:
      folded: there is nothing to fold.
      precision: of both products.
    """

    folded: bool = False
    precision: Any = None

    def setup(self) -> None:
        self.norm1, self.norm2 = layer_norm(), layer_norm()
        self.expand = pointwise(4 * CHANNELS, self.precision)
        self.project = pointwise(CHANNELS, self.precision)
        self.pool_scale = self.param("pool_scale", _SMALL, (CHANNELS,))
        self.mlp_scale = self.param("mlp_scale", _SMALL, (CHANNELS,))

    def __call__(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, 64] to the same."""
        # There are no sums, but whoever puts steps off holds from here on what others read, too.
        return part.measure(self.mixed, part.keep(x), margin=1)[0]

    def mixed(self, x: chex.Array, part: Part) -> tuple[chex.Array, tuple[()]]:
        """The block on a part, and no sums."""
        x = part.crop(x) + self.pool_scale * self.pooling(x, part)
        return x + self.mlp_scale * self.mlp(x), ()

    def pooling(self, x: chex.Array, part: Part) -> chex.Array:
        """The 3x3 mean of what is normed, zeros beside the picture included, less itself."""
        normed = self.norm1(x)
        return _mean3x3(part.pad(normed)) - part.crop(normed)

    def mlp(self, x: chex.Array) -> chex.Array:
        """f32[..., H, W, 64] to the same, pixel by pixel."""
        return self.project(gelu(self.expand(self.norm2(x))))


def _mean3x3(padded):
    """f32[..., H + 2, W + 2, C] to f32[..., H, W, C]."""
    rows = padded[..., :-2, :, :] + padded[..., 1:-1, :, :] + padded[..., 2:, :, :]
    return (rows[..., :-2, :] + rows[..., 1:-1, :] + rows[..., 2:, :]) / 9


class PFCFuse(CDDFuse):
    """PFCFuse; all but its base blocks is `CDDFuse`: sources, residual, sizes.

    Attributes:
      residual: see there.
    """

    base_block: ClassVar[type[nn.Module]] = PoolingBlock

    def fold(self, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same: no convolution of it follows another one."""
        return variables


def _pooling_block(torch_prefix, path):
    return {
        **norms(torch_prefix, path),
        f"{torch_prefix}.layer_scale_1": Target(f"params/{path}/pool_scale"),
        f"{torch_prefix}.layer_scale_2": Target(f"params/{path}/mlp_scale"),
        **plain(f"{torch_prefix}.poolmlp.fc1", f"{path}/expand", DENSE),
        **plain(f"{torch_prefix}.poolmlp.fc2", f"{path}/project", DENSE),
    }


register_network(
    FusionSpec(
        name="pfcfuse",
        build=PFCFuse,
        layout=make_layout("pfcfuse", _pooling_block),
        tasks=("infrared-visible",),
        channels=1,
        presets=GRAY_PRESETS,
        quantize="truncate",
        saving=Saving(join=join_opencv),
        options=("residual",),
        min_size=PFCFuse.min_size,
        checkpoint="PFCFuse_IVF.pth",
        paper="Hu et al., PFCFuse, IEEE Trans. Instrum. Meas. (2024)",
        note="preset 'self' is what the TTD authors' released script does to CDDFuse; its "
        "components are darker than the sources",
    )
)
