"""Where every tensor of an upstream checkpoint goes: explicit tables, one per layout."""

import dataclasses
import functools
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


def _unit(torch_prefix: str, path: str, transform: str = DENSE) -> dict[str, Target]:
    """A convolution of YOLOX with its BatchNorm."""
    return {
        **_plain(f"{torch_prefix}.conv", f"{path}/conv", transform),
        **batch_norm(f"{torch_prefix}.bn", f"{path}/bn"),
    }


def _unit3x3(torch_prefix: str, path: str, depthwise: bool) -> dict[str, Target]:
    """A 3x3 of YOLOX, which a depthwise network splits in two."""
    if not depthwise:
        return _unit(torch_prefix, f"{path}/full", CONV)
    return {
        **_unit(f"{torch_prefix}.dconv", f"{path}/depthwise", CONV),
        **_unit(f"{torch_prefix}.pconv", f"{path}/pointwise"),
    }


def _cross_stage(torch_prefix: str, path: str, *, blocks: int, depthwise: bool) -> dict:
    table = {}
    for name in ("conv1", "conv2", "conv3"):
        table |= _unit(f"{torch_prefix}.{name}", f"{path}/{name}")
    for index in range(blocks):
        table |= _unit(f"{torch_prefix}.m.{index}.conv1", f"{path}/block{index}/conv1")
        table |= _unit3x3(
            f"{torch_prefix}.m.{index}.conv2", f"{path}/block{index}/conv2", depthwise
        )
    return table


def _yolox(*, blocks: int, depthwise: bool = False) -> Layout:
    """YOLOX with `blocks` bottlenecks in its short stages and thrice as many in its long ones."""
    stage = functools.partial(_cross_stage, depthwise=depthwise)
    table = _unit("backbone.backbone.stem.conv", "backbone/stem/conv", CONV)
    for level, count in ((2, blocks), (3, 3 * blocks), (4, 3 * blocks), (5, blocks)):
        dark, path = f"backbone.backbone.dark{level}", f"backbone/dark{level}"
        last = level == 5
        table |= _unit3x3(f"{dark}.0", f"{path}_down", depthwise)
        if last:
            table |= _unit(f"{dark}.1.conv1", f"{path}_pyramid/conv1")
            table |= _unit(f"{dark}.1.conv2", f"{path}_pyramid/conv2")
        table |= stage(f"{dark}.{2 if last else 1}", f"{path}_stage", blocks=count)
    table |= _unit("backbone.lateral_conv0", "neck/lateral")
    table |= _unit("backbone.reduce_conv1", "neck/reduce")
    table |= _unit3x3("backbone.bu_conv2", "neck/shrink_fine", depthwise)
    table |= _unit3x3("backbone.bu_conv1", "neck/shrink_middle", depthwise)
    for theirs, ours in (
        ("C3_p4", "up_middle"),
        ("C3_p3", "up_fine"),
        ("C3_n3", "down_middle"),
        ("C3_n4", "down_coarse"),
    ):
        table |= stage(f"backbone.{theirs}", f"neck/{ours}", blocks=blocks)
    for level in range(3):
        path = f"heads_{level}"
        table |= _unit(f"head.stems.{level}", f"{path}/stem")
        for theirs, ours in (("cls", "class"), ("reg", "box")):
            for index in range(2):
                table |= _unit3x3(
                    f"head.{theirs}_convs.{level}.{index}", f"{path}/{ours}_conv{index}", depthwise
                )
        for theirs, ours in (("cls", "class"), ("reg", "box"), ("obj", "objectness")):
            table |= biased(f"head.{theirs}_preds.{level}", f"{path}/{ours}", DENSE)
    return Layout(table=table, flatten=lambda loaded: dict(loaded.get("model", loaded)))


LAYOUTS: Mapping[str, Layout] = {
    "ifcnn": _IFCNN,
    "cddfuse": _CDDFUSE,
    "piafusion": _PIAFUSION,
    "piafusion_classifier": _PIAFUSION_CLASSIFIER,
    "yolox_nano": _yolox(blocks=1, depthwise=True),
    "yolox_s": _yolox(blocks=1),  # tiny has the same, with fewer channels
    "yolox_m": _yolox(blocks=2),
    "yolox_l": _yolox(blocks=3),
}
