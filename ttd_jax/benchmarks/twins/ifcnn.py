"""IFCNN in torch: what the JAX network is compared with. Plain functions of a state dict.

Pictures are [M, 3, H, W] in the network's own domain; a state maps the names of the authors'
checkpoints to tensors.
"""

from collections.abc import Mapping

import torch
from torch.nn import functional


def _convolve(x, kernel):
    margin = kernel.shape[-1] // 2
    return functional.conv2d(functional.pad(x, (margin,) * 4, mode="replicate"), kernel)


def _block(x, state, name):
    x = _convolve(x, state[f"{name}.conv.weight"])
    running = (state[f"{name}.bn.{statistic}"] for statistic in ("running_mean", "running_var"))
    affine = (state[f"{name}.bn.{parameter}"] for parameter in ("weight", "bias"))
    return functional.relu(functional.batch_norm(x, *running, *affine, eps=1e-5))


def encode(state: Mapping[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Features [M, 64, H, W]."""
    return _block(_convolve(x, state["conv1.weight"]), state, "conv2")


def merge(features: torch.Tensor, operator: str) -> torch.Tensor:
    """Features [1, 64, H, W] of all sources: 'max', 'sum' or 'mean'."""
    return getattr(features, "amax" if operator == "max" else operator)(0, keepdim=True)


def decode(state: Mapping[str, torch.Tensor], features: torch.Tensor) -> torch.Tensor:
    """A picture of features, in the network's own domain."""
    return functional.conv2d(
        _block(features, state, "conv3"), state["conv4.weight"], state["conv4.bias"]
    )


def fused(state: Mapping[str, torch.Tensor], x: torch.Tensor, operator: str) -> torch.Tensor:
    """The fusion [1, 3, H, W]."""
    return decode(state, merge(encode(state, x), operator))
