"""CDDFuse and PFCFuse in torch: what the JAX networks are compared with.

Plain functions of a state dict, whose keys tell the base blocks of one from those of the other.
Pictures are [B, 1, H, W], features [B, 64, H, W]; a state maps the names of the authors'
checkpoints to tensors.
"""

from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional

PARTS = ("DIDF_Encoder", "DIDF_Decoder", "BaseFuseLayer", "DetailFuseLayer")


def flatten(checkpoint: Mapping[str, Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """One state dict of the authors' four, keys 'PART.name'."""
    return {
        f"{part}.{key.removeprefix('module.')}": tensor
        for part in PARTS
        for key, tensor in checkpoint[part].items()
    }


def below(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The part of a state whose keys start with `prefix`, without it."""
    return {k.removeprefix(f"{prefix}."): v for k, v in state.items() if k.startswith(f"{prefix}.")}


def _norm(x, state, name):
    weight, bias = state[f"{name}.body.weight"], state[f"{name}.body.bias"]
    x = functional.layer_norm(x.movedim(1, -1), (x.shape[1],), weight, bias, eps=1e-5)
    return x.movedim(-1, 1).contiguous()  # later sums over pixels are more exact in this layout


def _attention(qkv, scale, project):
    batch, _, height, width = qkv.shape
    tokens = qkv.reshape(batch, 3, len(scale), -1, height * width)
    query, key, value = tokens.unbind(1)
    query, key = functional.normalize(query, dim=-1), functional.normalize(key, dim=-1)
    mix = torch.softmax(query @ key.transpose(-2, -1) * scale, dim=-1)
    return functional.conv2d((mix @ value).reshape(batch, -1, height, width), project)


def _feed_forward(x, state):
    x = functional.conv2d(x, state["project_in.weight"])
    kernel = state["dwconv.weight"]
    x = functional.conv2d(x, kernel, padding=1, groups=x.shape[1] // kernel.shape[1])
    gate, content = x.chunk(2, dim=1)
    return functional.conv2d(functional.gelu(gate) * content, state["project_out.weight"])


def restormer_block(x: torch.Tensor, state: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """One block of the encoder or the decoder: attention over channels, then a gated layer."""
    attention = below(state, "attn")
    qkv = functional.conv2d(_norm(x, state, "norm1"), attention["qkv.weight"])
    qkv = functional.conv2d(qkv, attention["qkv_dwconv.weight"], padding=1, groups=qkv.shape[1])
    x = x + _attention(qkv, attention["temperature"], attention["project_out.weight"])
    return x + _feed_forward(_norm(x, state, "norm2"), below(state, "ffn"))


def base_block(x: torch.Tensor, state: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The base branch: attention over channels whose tokens see their neighbors, or pooling."""
    if "layer_scale_1" in state:
        return pooling_block(x, state)
    attention = below(state, "attn")
    qkv = functional.conv2d(_norm(x, state, "norm1"), attention["qkv1.weight"])
    qkv = functional.conv2d(qkv, attention["qkv2.weight"], padding=1)
    x = x + _attention(qkv, attention["scale"], attention["proj.weight"])
    return x + _feed_forward(_norm(x, state, "norm2"), below(state, "mlp"))


def pooling_block(x: torch.Tensor, state: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The base branch of PFCFuse: a mean of neighbors, less the pixel, then a layer of two 1x1."""
    scales = (state[f"layer_scale_{step}"][:, None, None] for step in (1, 2))
    normed = _norm(x, state, "norm1")
    x = x + next(scales) * (functional.avg_pool2d(normed, 3, stride=1, padding=1) - normed)
    hidden = functional.conv2d(_norm(x, state, "norm2"), state["poolmlp.fc1.weight"])
    hidden = functional.conv2d(functional.gelu(hidden), state["poolmlp.fc2.weight"])
    return x + next(scales) * hidden


def _bottleneck(x, state):
    x = functional.relu6(functional.conv2d(x, state["0.weight"]))
    x = functional.pad(x, (1, 1, 1, 1), mode="reflect")
    x = functional.relu6(functional.conv2d(x, state["3.weight"], groups=x.shape[1]))
    return functional.conv2d(x, state["5.weight"])


def detail_branch(
    x: torch.Tensor, state: Mapping[str, torch.Tensor], *, nodes: int
) -> torch.Tensor:
    """The detail branch: `nodes` invertible couplings of both halves of the channels."""
    for index in range(nodes):
        node = below(state, f"net.{index}")
        phi, rho, eta = (below(node, f"theta_{n}.bottleneckBlock") for n in ("phi", "rho", "eta"))
        x = functional.conv2d(x, node["shffleconv.weight"], node["shffleconv.bias"])
        first, second = x.chunk(2, dim=1)
        second = second + _bottleneck(first, phi)
        first = first * torch.exp(_bottleneck(second, rho)) + _bottleneck(second, eta)
        x = torch.cat([first, second], dim=1)
    return x


def encode(
    state: Mapping[str, torch.Tensor], x: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Base, detail and shared features of a picture."""
    state = below(state, "DIDF_Encoder")
    shared = functional.conv2d(x, state["patch_embed.proj.weight"], padding=1)
    for index in range(4):
        shared = restormer_block(shared, below(state, f"encoder_level1.{index}"))
    base = base_block(shared, below(state, "baseFeature"))
    return base, detail_branch(shared, below(state, "detailFeature"), nodes=3), shared


def fuse(
    state: Mapping[str, torch.Tensor], base: torch.Tensor, detail: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Both fusion layers, over summed features."""
    fused = base_block(base, below(state, "BaseFuseLayer"))
    return fused, detail_branch(detail, below(state, "DetailFuseLayer"), nodes=1)


def decode(
    state: Mapping[str, torch.Tensor],
    base: torch.Tensor,
    detail: torch.Tensor,
    residual: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture in (0, 1) and the reduced features it was made from."""
    state = below(state, "DIDF_Decoder")
    reduced = functional.conv2d(torch.cat([base, detail], dim=1), state["reduce_channel.weight"])
    x = reduced
    for index in range(4):
        x = restormer_block(x, below(state, f"encoder_level2.{index}"))
    x = functional.leaky_relu(functional.conv2d(x, state["output.0.weight"], padding=1), 0.01)
    x = functional.conv2d(x, state["output.2.weight"], padding=1)
    return torch.sigmoid(x if residual is None else x + residual), reduced


def components(state: Mapping[str, torch.Tensor], features: Sequence[torch.Tensor]) -> torch.Tensor:
    """Each source of `encode` decoded alone, without residual: [M, 1, H, W]."""
    return decode(state, *fuse(state, *features[:2]))[0]


def dominability(sources: torch.Tensor, decoded: torch.Tensor) -> torch.Tensor:
    """Relative Dominability [M, 1, H, W] of the authors' released script: t = 50."""
    return torch.softmax(torch.exp(-50 * (decoded - sources) ** 2), dim=0)


def fused(
    state: Mapping[str, torch.Tensor],
    features: Sequence[torch.Tensor],
    residual: torch.Tensor | None = None,
    weights: float | torch.Tensor = 1.0,
) -> torch.Tensor:
    """The fusion [1, 1, H, W] of all sources of `encode`, before it is stretched to [0, 1]."""
    base, detail = ((weights * leaf).sum(0, keepdim=True) for leaf in features[:2])
    return decode(state, *fuse(state, base, detail), residual)[0]


def stretch(raw: torch.Tensor) -> torch.Tensor:
    """To [0, 1]."""
    return (raw - raw.min()) / (raw.max() - raw.min())
