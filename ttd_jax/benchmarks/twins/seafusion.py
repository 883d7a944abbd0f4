"""SeAFusion in torch: what the JAX network is compared with. Plain functions of a state dict.

Pictures are [B, 1, H, W], features [B, 48, H, W]; a state maps the names of the authors'
checkpoint to tensors.
"""

from collections.abc import Mapping

import torch
from torch.nn import functional


def _convolve(x, state, name):
    kernel = state[f"{name}.weight"]
    return functional.conv2d(x, kernel, state[f"{name}.bias"], padding=kernel.shape[-1] // 2)


def _leaky(x, state, name):
    return functional.leaky_relu(_convolve(x, state, name), 0.2)


def _gradients(x, state, name):
    kernels = (state[f"{name}.{axis}.weight"] for axis in ("convx", "convy"))
    found = (functional.conv2d(x, kernel, padding=1, groups=x.shape[1]) for kernel in kernels)
    return sum(one.abs() for one in found)


def _block(x, state, name):
    dense = torch.cat([x, _leaky(x, state, f"{name}.dense.conv1.conv")], dim=1)
    dense = torch.cat([dense, _leaky(dense, state, f"{name}.dense.conv2.conv")], dim=1)
    gradients = _gradients(x, state, f"{name}.sobelconv")
    down = _convolve(dense, state, f"{name}.convdown.conv")
    return functional.leaky_relu(down + _convolve(gradients, state, f"{name}.convup.conv"), 0.1)


def encode(state: Mapping[str, torch.Tensor], x: torch.Tensor, stream: str) -> torch.Tensor:
    """Features of a picture in a stream, 'vis' or 'inf'."""
    x = _leaky(x, state, f"{stream}_conv.conv")
    return _block(_block(x, state, f"{stream}_rgbd1"), state, f"{stream}_rgbd2")


def decode(
    state: Mapping[str, torch.Tensor], visible: torch.Tensor, infrared: torch.Tensor
) -> torch.Tensor:
    """A picture in [0, 1] of both streams' features."""
    x = torch.cat([visible, infrared], dim=1)
    for name in ("decode4", "decode3", "decode2"):
        x = _leaky(x, state, f"{name}.conv")
    return torch.tanh(_convolve(x, state, "decode1.conv")) / 2 + 0.5
