"""DIDFuse in torch: what the JAX network is compared with. Plain functions of a state dict.

Pictures are [M, 1, H, W] in [0, 1]; a state maps the names of the authors' two checkpoints to
tensors.
"""

from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional


def _layer(x, state, name, activation=None, *, first=0):
    """Convolution, BatchNorm and activation: layers of a sequence, mirrored if not its first."""
    convolution, norm, slope = (f"{name}.{name}.{index}" for index in range(first, first + 3))
    if first:
        x = functional.pad(x, (1, 1, 1, 1), mode="reflect")
    weight, bias = state[f"{convolution}.weight"], state[f"{convolution}.bias"]
    x = functional.conv2d(x, weight, bias, padding=0 if first else 1)
    running = (state[f"{norm}.{statistic}"] for statistic in ("running_mean", "running_var"))
    affine = (state[f"{norm}.{parameter}"] for parameter in ("weight", "bias"))
    x = functional.batch_norm(x, *running, *affine, eps=1e-5)
    return functional.prelu(x, state[f"{slope}.weight"]) if activation is None else activation(x)


def encode(state: Mapping[str, torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Both skips, base and detail: four of [M, 64, H, W]."""
    first = _layer(x, state, "cov1", first=1)
    second = _layer(first, state, "cov2")
    base, detail = (_layer(second, state, name, torch.tanh) for name in ("cov3", "cov4"))
    return first, second, base, detail


def decode(state: Mapping[str, torch.Tensor], features: Sequence[torch.Tensor]) -> torch.Tensor:
    """A picture of what `encode` gives."""
    first, second, base, detail = features
    x = _layer(torch.cat([base, detail], dim=1), state, "cov5")
    x = _layer(torch.cat([x, second], dim=1), state, "cov6")
    return _layer(torch.cat([x, first], dim=1), state, "cov7", torch.sigmoid, first=1)
