"""Where every tensor of an upstream checkpoint goes: explicit tables, one per layout."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

# Torch's axis orders to Flax's.
AS_IS = "as is"
CONV = "conv OIHW -> HWIO"
DENSE = "1x1 conv OI11 -> IO"
LINEAR = "linear OI -> IO"
PER_HEAD = "heads H11 -> H"

TRANSFORMS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    AS_IS: lambda tensor: tensor,
    CONV: lambda tensor: tensor.transpose(2, 3, 1, 0),
    DENSE: lambda tensor: tensor.reshape(len(tensor), -1).T,  # a larger kernel will not fit
    LINEAR: lambda tensor: tensor.T,
    PER_HEAD: lambda tensor: tensor.reshape(-1),
}
# Rank that each transform expects, where it expects one.
RANKS = {CONV: 4, DENSE: 4, LINEAR: 2, PER_HEAD: 3}


@dataclasses.dataclass(frozen=True)
class Target:
    """Where one tensor goes: path in the variables, joined by '/', and a key of `TRANSFORMS`."""

    path: str
    transform: str = AS_IS


@dataclasses.dataclass(frozen=True)
class Layout:
    """A kind of checkpoint.

    Attributes:
      table: torch key -> target.
      flatten: the loaded object -> flat dict of tensors; may raise `KeyError` naming what lacks.
    """

    table: Mapping[str, Target]
    flatten: Callable[[Mapping], Mapping] = dict


def batch_norm(torch_prefix: str, path: str) -> dict[str, Target]:
    """The four tensors of a BatchNorm layer; `path` is the module's."""
    return {
        f"{torch_prefix}.weight": Target(f"params/{path}/scale"),
        f"{torch_prefix}.bias": Target(f"params/{path}/bias"),
        f"{torch_prefix}.running_mean": Target(f"batch_stats/{path}/mean"),
        f"{torch_prefix}.running_var": Target(f"batch_stats/{path}/var"),
    }


def biased(torch_prefix: str, path: str, transform: str = CONV) -> dict[str, Target]:
    """Weight and bias of one layer; `path` is the module's."""
    return {
        f"{torch_prefix}.weight": Target(f"params/{path}/kernel", transform),
        f"{torch_prefix}.bias": Target(f"params/{path}/bias"),
    }


_IFCNN = Layout(
    table={
        "conv1.weight": Target("params/conv1/conv/kernel", CONV),
        "conv2.conv.weight": Target("params/conv2/conv/conv/kernel", CONV),
        **batch_norm("conv2.bn", "conv2/bn"),
        "conv3.conv.weight": Target("params/conv3/conv/conv/kernel", CONV),
        **batch_norm("conv3.bn", "conv3/bn"),
        "conv4.weight": Target("params/conv4/kernel", DENSE),
        "conv4.bias": Target("params/conv4/bias"),
    }
)

_PIAFUSION = Layout(
    table={
        **biased("encoder.vi_conv1", "level1/visible", DENSE),
        **biased("encoder.vi_conv2.conv.1", "level2/visible/conv"),
        **biased("encoder.vi_conv3.conv.1", "level3/visible/conv"),
        **biased("encoder.vi_conv4.conv.1", "level4/visible/conv"),
        **biased("encoder.vi_conv5.conv.1", "level5/visible/conv"),
        **biased("encoder.ir_conv1", "level1/infrared", DENSE),
        **biased("encoder.ir_conv2.conv.1", "level2/infrared/conv"),
        **biased("encoder.ir_conv3.conv.1", "level3/infrared/conv"),
        **biased("encoder.ir_conv4.conv.1", "level4/infrared/conv"),
        **biased("encoder.ir_conv5.conv.1", "level5/infrared/conv"),
        **biased("decoder.conv1.conv.1", "decoder1/conv"),
        **biased("decoder.conv2.conv.1", "decoder2/conv"),
        **biased("decoder.conv3.conv.1", "decoder3/conv"),
        **biased("decoder.conv4.conv.1", "decoder4/conv"),
        **biased("decoder.conv5", "decoder5", DENSE),
    }
)

_PIAFUSION_CLASSIFIER = Layout(
    table={
        **biased("conv1.conv.1", "conv1"),
        **biased("conv2.conv.1", "conv2"),
        **biased("conv3.conv.1", "conv3"),
        **biased("conv4.conv.1", "conv4"),
        **biased("linear1", "linear1", LINEAR),
        **biased("linear2", "linear2", LINEAR),
    }
)


def _plain(torch_prefix: str, path: str, transform: str) -> dict[str, Target]:
    """The weight of one layer without bias; `path` is the module's."""
    return {f"{torch_prefix}.weight": Target(f"params/{path}/kernel", transform)}


def _transformer(
    torch_prefix: str, path: str, *, attention: Mapping[str, Target], feed_forward: str
) -> dict[str, Target]:
    """A block of CDDFuse: two norms, its own kind of attention, a feed-forward."""
    return {
        f"{torch_prefix}.norm1.body.weight": Target(f"params/{path}/norm1/scale"),
        f"{torch_prefix}.norm1.body.bias": Target(f"params/{path}/norm1/bias"),
        **attention,
        f"{torch_prefix}.norm2.body.weight": Target(f"params/{path}/norm2/scale"),
        f"{torch_prefix}.norm2.body.bias": Target(f"params/{path}/norm2/bias"),
        **_plain(f"{torch_prefix}.{feed_forward}.project_in", f"{path}/feed_forward/expand", DENSE),
        **_plain(f"{torch_prefix}.{feed_forward}.dwconv", f"{path}/feed_forward/spatial", CONV),
        **_plain(
            f"{torch_prefix}.{feed_forward}.project_out", f"{path}/feed_forward/project", DENSE
        ),
    }


def _restormer_block(torch_prefix: str, path: str) -> dict[str, Target]:
    attention = f"{torch_prefix}.attn"
    return _transformer(
        torch_prefix,
        path,
        attention={
            f"{attention}.temperature": Target(f"params/{path}/attention/temperature", PER_HEAD),
            **_plain(f"{attention}.qkv", f"{path}/qkv/pointwise", DENSE),
            **_plain(f"{attention}.qkv_dwconv", f"{path}/qkv/depthwise", CONV),
            f"{attention}.project_out.weight": Target(f"params/{path}/attention/project", DENSE),
        },
        feed_forward="ffn",
    )


def _base_block(torch_prefix: str, path: str) -> dict[str, Target]:
    attention = f"{torch_prefix}.attn"
    return _transformer(
        torch_prefix,
        path,
        attention={
            f"{attention}.scale": Target(f"params/{path}/attention/temperature", PER_HEAD),
            **_plain(f"{attention}.qkv1", f"{path}/qkv/pointwise", DENSE),
            **_plain(f"{attention}.qkv2", f"{path}/qkv/spatial", CONV),
            f"{attention}.proj.weight": Target(f"params/{path}/attention/project", DENSE),
        },
        feed_forward="mlp",
    )


def _detail_node(torch_prefix: str, path: str) -> dict[str, Target]:
    table = biased(f"{torch_prefix}.shffleconv", f"{path}/shuffle", DENSE)  # their spelling
    for name in ("phi", "rho", "eta"):
        block = f"{torch_prefix}.theta_{name}.bottleneckBlock"
        table |= {
            **_plain(f"{block}.0", f"{path}/{name}/expand", DENSE),
            **_plain(f"{block}.3", f"{path}/{name}/spatial", CONV),
            **_plain(f"{block}.5", f"{path}/{name}/project", DENSE),
        }
    return table


def _flatten_cddfuse(loaded: Mapping) -> dict:
    """A dict of state dicts to one: 'PART.key', without what `DataParallel` puts before keys."""
    return {
        f"{part}.{key.removeprefix('module.')}": tensor
        for part, tensors in loaded.items()
        for key, tensor in tensors.items()
    }


_CDDFUSE = Layout(
    table={
        **_plain("DIDF_Encoder.patch_embed.proj", "encoder/embed", CONV),
        **_restormer_block("DIDF_Encoder.encoder_level1.0", "encoder/blocks/block0"),
        **_restormer_block("DIDF_Encoder.encoder_level1.1", "encoder/blocks/block1"),
        **_restormer_block("DIDF_Encoder.encoder_level1.2", "encoder/blocks/block2"),
        **_restormer_block("DIDF_Encoder.encoder_level1.3", "encoder/blocks/block3"),
        **_base_block("DIDF_Encoder.baseFeature", "encoder/base"),
        **_detail_node("DIDF_Encoder.detailFeature.net.0", "encoder/detail/node0"),
        **_detail_node("DIDF_Encoder.detailFeature.net.1", "encoder/detail/node1"),
        **_detail_node("DIDF_Encoder.detailFeature.net.2", "encoder/detail/node2"),
        **_plain("DIDF_Decoder.reduce_channel", "decoder/reduce", DENSE),
        **_restormer_block("DIDF_Decoder.encoder_level2.0", "decoder/blocks/block0"),
        **_restormer_block("DIDF_Decoder.encoder_level2.1", "decoder/blocks/block1"),
        **_restormer_block("DIDF_Decoder.encoder_level2.2", "decoder/blocks/block2"),
        **_restormer_block("DIDF_Decoder.encoder_level2.3", "decoder/blocks/block3"),
        **_plain("DIDF_Decoder.output.0", "decoder/output1", CONV),
        **_plain("DIDF_Decoder.output.2", "decoder/output2", CONV),
        **_base_block("BaseFuseLayer", "base_fusion"),
        **_detail_node("DetailFuseLayer.net.0", "detail_fusion/node0"),
    },
    flatten=_flatten_cddfuse,
)

LAYOUTS: Mapping[str, Layout] = {
    "ifcnn": _IFCNN,
    "cddfuse": _CDDFUSE,
    "piafusion": _PIAFUSION,
    "piafusion_classifier": _PIAFUSION_CLASSIFIER,
}
