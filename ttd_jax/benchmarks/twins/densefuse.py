"""DenseFuse in torch: what the JAX network is compared with. Plain functions of a state dict.

Pictures are [M, C, H, W] in [0, 255]; a state maps the names of the authors' checkpoints to
tensors.
"""

from collections.abc import Mapping

import torch
from torch.nn import functional


def _layer(x, state, name):
    x = functional.pad(x, (1, 1, 1, 1), mode="reflect")
    x = functional.conv2d(x, state[f"{name}.conv2d.weight"], state[f"{name}.conv2d.bias"])
    return functional.relu(x)


def encode(state: Mapping[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Features [M, 64, H, W]."""
    features = _layer(x, state, "conv1")
    for index in range(3):
        found = _layer(features, state, f"DB1.denseblock.{index}.dense_conv")
        features = torch.cat([features, found], dim=1)
    return features


def decode(state: Mapping[str, torch.Tensor], features: torch.Tensor) -> torch.Tensor:
    """A picture of features."""
    for index in range(2, 6):
        features = _layer(features, state, f"conv{index}")
    return features
