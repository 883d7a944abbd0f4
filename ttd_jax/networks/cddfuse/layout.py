"""The layout of CDDFuse's checkpoints: a dict of state dicts, one for each part."""

from collections.abc import Callable, Mapping

from ttd_jax.networks.layout import CONV, DENSE, PER_HEAD, Layout, Target, biased, plain


def norms(torch_prefix: str, path: str) -> dict[str, Target]:
    """Both layer norms of a block; `path` is the block's."""
    table = {}
    for norm in ("norm1", "norm2"):
        table[f"{torch_prefix}.{norm}.body.weight"] = Target(f"params/{path}/{norm}/scale")
        table[f"{torch_prefix}.{norm}.body.bias"] = Target(f"params/{path}/{norm}/bias")
    return table


def _transformer(
    torch_prefix: str, path: str, *, attention: Mapping[str, Target], feed_forward: str
) -> dict[str, Target]:
    """A block of CDDFuse: two norms, its own names in attention, a feed-forward."""
    inner = f"{torch_prefix}.{feed_forward}"
    return {
        **{f"{torch_prefix}.attn.{key}": target for key, target in attention.items()},
        **norms(torch_prefix, path),
        **plain(f"{inner}.project_in", f"{path}/feed_forward/expand", DENSE),
        **plain(f"{inner}.dwconv", f"{path}/feed_forward/spatial", CONV),
        **plain(f"{inner}.project_out", f"{path}/feed_forward/project", DENSE),
    }


def _restormer_blocks(torch_prefix: str, path: str) -> dict[str, Target]:
    table = {}
    for index in range(4):
        block = f"{path}/block{index}"
        attention = {
            "temperature": Target(f"params/{block}/attention/temperature", PER_HEAD),
            "qkv.weight": Target(f"params/{block}/qkv/pointwise/kernel", DENSE),
            "qkv_dwconv.weight": Target(f"params/{block}/qkv/depthwise/kernel", CONV),
            "project_out.weight": Target(f"params/{block}/attention/project", DENSE),
        }
        prefix = f"{torch_prefix}.{index}"
        table |= _transformer(prefix, block, attention=attention, feed_forward="ffn")
    return table


def _base_block(torch_prefix: str, path: str) -> dict[str, Target]:
    attention = {
        "scale": Target(f"params/{path}/attention/temperature", PER_HEAD),
        "qkv1.weight": Target(f"params/{path}/qkv/pointwise/kernel", DENSE),
        "qkv2.weight": Target(f"params/{path}/qkv/spatial/kernel", CONV),
        "proj.weight": Target(f"params/{path}/attention/project", DENSE),
    }
    return _transformer(torch_prefix, path, attention=attention, feed_forward="mlp")


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
    """A dict of state dicts to one: 'PART.key'."""
    return {
        f"{part}.{key}": tensor
        for part, tensors in loaded.items()
        for key, tensor in tensors.items()
    }


def make_layout(name: str, base_block: Callable[[str, str], Mapping[str, Target]]) -> Layout:
    """The layout of CDDFuse, or of a network that differs from it in its base blocks.

    Args:
      name: of the layout.
      base_block: `(torch_prefix, path)` to the table of such a block.
    """
    return Layout(
        name=name,
        table={
            **plain("DIDF_Encoder.patch_embed.proj", "encoder/embed", CONV),
            **_restormer_blocks("DIDF_Encoder.encoder_level1", "encoder/blocks"),
            **base_block("DIDF_Encoder.baseFeature", "encoder/base"),
            **_detail_node("DIDF_Encoder.detailFeature.net.0", "encoder/detail/node0"),
            **_detail_node("DIDF_Encoder.detailFeature.net.1", "encoder/detail/node1"),
            **_detail_node("DIDF_Encoder.detailFeature.net.2", "encoder/detail/node2"),
            **plain("DIDF_Decoder.reduce_channel", "decoder/reduce", DENSE),
            **_restormer_blocks("DIDF_Decoder.encoder_level2", "decoder/blocks"),
            **plain("DIDF_Decoder.output.0", "decoder/output1", CONV),
            **plain("DIDF_Decoder.output.2", "decoder/output2", CONV),
            **base_block("BaseFuseLayer", "base_fusion"),
            **_detail_node("DetailFuseLayer.net.0", "detail_fusion/node0"),
        },
        flatten=_flatten,
    )


LAYOUT = make_layout("cddfuse", _base_block)
