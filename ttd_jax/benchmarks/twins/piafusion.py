"""PIAFusion and its illumination classifier in torch: what the JAX networks are compared with.

Parameters carry the names of the authors' checkpoints, so that one state dict fits both.
"""

import torch
from torch import nn
from torch.nn import functional


def _mirrored(wide_in, wide_out, *, size=3, stride=1):
    """A convolution with a mirrored border of one pixel; its tensors are `conv.1.*`."""
    layer = nn.Module()
    layer.conv = nn.Sequential(
        nn.ReflectionPad2d(1), nn.Conv2d(wide_in, wide_out, size, stride=stride)
    )
    return layer


class PIAFusion(nn.Module):
    """Two pictures [B, 1, H, W] in [0, 1] to one; see `encode` and `decode` for the halves."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Module(), nn.Module()
        for stream in ("vi", "ir"):
            self.encoder.add_module(f"{stream}_conv1", nn.Conv2d(1, 16, 1))
            for level, widths in enumerate([(16, 16), (16, 32), (32, 64), (64, 128)], start=2):
                self.encoder.add_module(f"{stream}_conv{level}", _mirrored(*widths))
        for level, widths in enumerate([(256, 256), (256, 128), (128, 64), (64, 32)], start=1):
            self.decoder.add_module(f"conv{level}", _mirrored(*widths))
        self.decoder.conv5 = nn.Conv2d(32, 1, 1)

    def encode(
        self, visible: torch.Tensor, infrared: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features [B, 128, H, W] of each stream."""
        streams = {"vi": visible, "ir": infrared}
        for level in range(1, 6):
            for name, x in streams.items():
                layer = getattr(self.encoder, f"{name}_conv{level}")
                streams[name] = functional.leaky_relu(getattr(layer, "conv", layer)(x), 0.01)
            if 2 <= level <= 4:
                vi, ir = streams["vi"], streams["ir"]
                gate = {
                    "vi": torch.sigmoid((ir - vi).mean((2, 3), keepdim=True)),
                    "ir": torch.sigmoid((vi - ir).mean((2, 3), keepdim=True)),
                }
                streams = {"vi": vi + (ir - vi) * gate["vi"], "ir": ir + (vi - ir) * gate["ir"]}
        return streams["vi"], streams["ir"]

    def decode(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """A picture [B, 1, H, W] in [0, 1] of both streams' features."""
        x = torch.cat([visible, infrared], dim=1)
        for level in range(1, 5):
            x = functional.leaky_relu(getattr(self.decoder, f"conv{level}").conv(x), 0.01)
        return torch.tanh(self.decoder.conv5(x)) / 2 + 0.5

    def forward(
        self, visible: torch.Tensor, infrared: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The fusion; `weights` [B, 2, H, W] scale the streams' features."""
        vi, ir = self.encode(visible, infrared)
        if weights is not None:
            vi, ir = vi * weights[:, :1], ir * weights[:, 1:]
        return self.decode(vi, ir)


class IlluminationClassifier(nn.Module):
    """A picture [B, 3, H, W] in [0, 1] to its pooled features [B, 128] and scores [B, 2]."""

    def __init__(self):
        super().__init__()
        for level, widths in enumerate([(3, 16), (16, 32), (32, 64), (64, 128)], start=1):
            self.add_module(f"conv{level}", _mirrored(*widths, size=4, stride=2))
        self.linear1, self.linear2 = nn.Linear(128, 128), nn.Linear(128, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        for level in range(1, 5):
            x = functional.leaky_relu(getattr(self, f"conv{level}").conv(x), 0.01)
        pooled = x.mean((2, 3))
        return pooled, self.linear2(self.linear1(pooled))


@torch.no_grad()
def randomize(twin: nn.Module, seed: int) -> nn.Module:
    """The twin with random weights that keep the size and the contrast of the signal."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in twin.parameters():
        scale = 0.1 if parameter.ndim == 1 else (2 / parameter[0].numel()) ** 0.5
        parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
        if parameter[0].numel() > 3:  # or the mean of the features would drown their contrast
            parameter.sub_(parameter.mean(tuple(range(1, parameter.ndim)), keepdim=True))
    return twin.eval()
