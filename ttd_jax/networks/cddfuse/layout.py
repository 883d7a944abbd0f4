"""The layout of CDDFuse's checkpoints: a dict of state dicts, one for each part."""

from collections.abc import Mapping

from ttd_jax.networks.layout import CONV, DENSE, PER_HEAD, Layout, Target, biased, plain


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
        **plain(f"{torch_prefix}.{feed_forward}.project_in", f"{path}/feed_forward/expand", DENSE),
        **plain(f"{torch_prefix}.{feed_forward}.dwconv", f"{path}/feed_forward/spatial", CONV),
        **plain(
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
            **plain(f"{attention}.qkv", f"{path}/qkv/pointwise", DENSE),
            **plain(f"{attention}.qkv_dwconv", f"{path}/qkv/depthwise", CONV),
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
            **plain(f"{attention}.qkv1", f"{path}/qkv/pointwise", DENSE),
            **plain(f"{attention}.qkv2", f"{path}/qkv/spatial", CONV),
            f"{attention}.proj.weight": Target(f"params/{path}/attention/project", DENSE),
        },
        feed_forward="mlp",
    )


def _detail_node(torch_prefix: str, path: str) -> dict[str, Target]:
    table = biased(f"{torch_prefix}.shffleconv", f"{path}/shuffle", DENSE)  # their spelling
    for name in ("phi", "rho", "eta"):
        block = f"{torch_prefix}.theta_{name}.bottleneckBlock"
        table |= {
            **plain(f"{block}.0", f"{path}/{name}/expand", DENSE),
            **plain(f"{block}.3", f"{path}/{name}/spatial", CONV),
            **plain(f"{block}.5", f"{path}/{name}/project", DENSE),
        }
    return table


def _flatten(loaded: Mapping) -> dict:
    """A dict of state dicts to one: 'PART.key', without what `DataParallel` puts before keys."""
    return {
        f"{part}.{key.removeprefix('module.')}": tensor
        for part, tensors in loaded.items()
        for key, tensor in tensors.items()
    }


LAYOUT = Layout(
    name="cddfuse",
    table={
        **plain("DIDF_Encoder.patch_embed.proj", "encoder/embed", CONV),
        **_restormer_block("DIDF_Encoder.encoder_level1.0", "encoder/blocks/block0"),
        **_restormer_block("DIDF_Encoder.encoder_level1.1", "encoder/blocks/block1"),
        **_restormer_block("DIDF_Encoder.encoder_level1.2", "encoder/blocks/block2"),
        **_restormer_block("DIDF_Encoder.encoder_level1.3", "encoder/blocks/block3"),
        **_base_block("DIDF_Encoder.baseFeature", "encoder/base"),
        **_detail_node("DIDF_Encoder.detailFeature.net.0", "encoder/detail/node0"),
        **_detail_node("DIDF_Encoder.detailFeature.net.1", "encoder/detail/node1"),
        **_detail_node("DIDF_Encoder.detailFeature.net.2", "encoder/detail/node2"),
        **plain("DIDF_Decoder.reduce_channel", "decoder/reduce", DENSE),
        **_restormer_block("DIDF_Decoder.encoder_level2.0", "decoder/blocks/block0"),
        **_restormer_block("DIDF_Decoder.encoder_level2.1", "decoder/blocks/block1"),
        **_restormer_block("DIDF_Decoder.encoder_level2.2", "decoder/blocks/block2"),
        **_restormer_block("DIDF_Decoder.encoder_level2.3", "decoder/blocks/block3"),
        **plain("DIDF_Decoder.output.0", "decoder/output1", CONV),
        **plain("DIDF_Decoder.output.2", "decoder/output2", CONV),
        **_base_block("BaseFuseLayer", "base_fusion"),
        **_detail_node("DetailFuseLayer.net.0", "detail_fusion/node0"),
    },
    flatten=_flatten,
)
