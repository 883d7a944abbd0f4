"""MUFusion in torch: what the JAX network is compared with. Plain functions of a state dict.

Pictures are [B, 2, H, W] in [0, 1], the infrared one first; a state maps the names of the authors'
checkpoints to tensors.
"""

from collections.abc import Mapping

import torch
from torch.nn import functional

_TILE, _STEP = 128, 124


def _convolve(state, name, *pictures, stride=1):
    x = functional.pad(torch.cat(pictures, 1), (1,) * 4, mode="reflect")
    return functional.conv2d(x, state[f"{name}.1.weight"], state[f"{name}.1.bias"], stride)


def blocks(state: Mapping[str, torch.Tensor], x: torch.Tensor) -> dict[str, torch.Tensor]:
    """What every layer gives for pictures of even sides, by its name in the authors' code."""

    def layer(name, *pictures, **options):
        return functional.relu(_convolve(state, name, *pictures, **options))

    enc1 = layer("conv1", x)
    enc2 = layer("conv2", enc1)
    enc3 = layer("conv3", enc1, enc2, stride=2)
    enc4 = layer("conv4", enc3)
    enc5 = layer("conv5", enc3, enc4)
    enc6 = layer("conv6", enc3, enc4, enc5)
    dec6 = layer("conv66", enc6)
    dec5 = layer("conv55", enc5, dec6)
    dec4 = layer("conv44", enc4, dec5)
    dec3 = layer("conv33", enc3, dec4)
    up = functional.interpolate(dec3, scale_factor=2, mode="bicubic", align_corners=False)
    dec2 = layer("conv22", enc2, up)
    out = _convolve(state, "conv11", enc1, dec2)
    encoded = {"enc1": enc1, "enc2": enc2, "enc3": enc3, "enc4": enc4, "enc5": enc5, "enc6": enc6}
    decoded = {"dec6": dec6, "dec5": dec5, "dec4": dec4, "dec3": dec3, "dec3_up": up, "dec2": dec2}
    return {**encoded, **decoded, "dec1_conv": out}


def fused(state: Mapping[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The fusion [B, 1, H, W] of pictures of any size, each 128 or more where one is odd.

    Whole where both are even, else the mean of the authors' tiles.
    """
    height, width = x.shape[-2:]
    if height % 2 == width % 2 == 0:
        return torch.tanh(blocks(state, x)["dec1_conv"])
    total, count = torch.zeros_like(x[:, :1]), torch.zeros_like(x[:, :1])
    for row in (*range(0, height - _TILE + 1, _STEP), height - _TILE):
        for column in (*range(0, width - _TILE + 1, _STEP), width - _TILE):
            at = ..., slice(row, row + _TILE), slice(column, column + _TILE)
            total[at] += torch.tanh(blocks(state, x[at])["dec1_conv"])
            count[at] += 1
    return total / count
