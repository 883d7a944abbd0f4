"""Static fusion and TTD in torch, with the networks beside this file: a peer for ours.

Written from the paper's section 4 and eq. 6. Scenes are [B, M, C, H, W] in [0, 1] and contiguous;
weights, if any, are [B, M, 1, H, W]. Every network encodes its sources once and decodes all
components as one batch.
"""

import functools
from collections.abc import Mapping

import torch

from ttd_jax.benchmarks.twins import (
    cddfuse,
    densefuse,
    didfuse,
    ifcnn,
    mufusion,
    piafusion,
    seafusion,
)

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's


class IFCNN:
    """IFCNN, any number of sources; `operator` is 'max', 'sum' or 'mean'."""

    def __init__(self, state: Mapping[str, torch.Tensor], operator: str):
        self.state, self.operator = state, operator
        self.mean, self.std = (torch.tensor(v).reshape(3, 1, 1) for v in (_MEAN, _STD))

    def prepare(self, sources: torch.Tensor) -> torch.Tensor:
        return (sources - self.mean) / self.std

    def restore(self, raw: torch.Tensor) -> torch.Tensor:
        return raw * self.std + self.mean

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return _over_sources(lambda flat: ifcnn.encode(self.state, flat), x)

    def merge(self, features: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        weighted = features if weights is None else weights * features
        return getattr(weighted, "amax" if self.operator == "max" else self.operator)(1)

    def decode(self, latent: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return ifcnn.decode(self.state, latent)

    def solo(self, x: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        return _over_sources(lambda flat: ifcnn.decode(self.state, flat), features)

    def finish(self, raw: torch.Tensor) -> torch.Tensor:
        return self.restore(raw).clamp(0, 1)


class CDDFuse:
    """CDDFuse or PFCFuse, any number of sources; `residual` is 'first' or 'none'."""

    def __init__(self, state: Mapping[str, torch.Tensor], residual: str):
        self.state, self.residual = state, residual

    def prepare(self, sources: torch.Tensor) -> torch.Tensor:
        return sources

    def restore(self, raw: torch.Tensor) -> torch.Tensor:
        return raw

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        base, detail, _ = cddfuse.encode(self.state, x.flatten(0, 1))
        return tuple(leaf.unflatten(0, x.shape[:2]) for leaf in (base, detail))

    def merge(
        self, features: tuple[torch.Tensor, torch.Tensor], weights: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        weighted = features if weights is None else (weights * leaf for leaf in features)
        return cddfuse.fuse(self.state, *(leaf.sum(1) for leaf in weighted))

    def decode(self, latent: tuple[torch.Tensor, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        residual = x[:, 0] if self.residual == "first" else None
        return cddfuse.decode(self.state, *latent, residual)[0]

    def solo(self, x: torch.Tensor, features: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        alone = cddfuse.fuse(self.state, *(leaf.flatten(0, 1) for leaf in features))
        return cddfuse.decode(self.state, *alone)[0].unflatten(0, x.shape[:2])

    def finish(self, raw: torch.Tensor) -> torch.Tensor:
        low, high = raw.amin((1, 2, 3), keepdim=True), raw.amax((1, 2, 3), keepdim=True)
        return (raw - low) / (high - low)


class PIAFusion:
    """PIAFusion: exactly two sources, visible and infrared, in streams that are coupled."""

    def __init__(self, state: Mapping[str, torch.Tensor]):
        self.twin = piafusion.PIAFusion().eval()
        self.twin.load_state_dict(state)

    def prepare(self, sources: torch.Tensor) -> torch.Tensor:
        return sources

    def restore(self, raw: torch.Tensor) -> torch.Tensor:
        return raw

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.twin.encode(x[:, 0], x[:, 1])

    def merge(
        self, features: tuple[torch.Tensor, torch.Tensor], weights: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if weights is None:
            return features
        return tuple(w * stream for w, stream in zip(weights.unbind(1), features, strict=True))

    def decode(self, latent: tuple[torch.Tensor, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return self.twin.decode(*latent)

    def solo(self, x: torch.Tensor, features: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        return _over_sources(lambda flat: self.twin(flat, flat), x)

    def finish(self, raw: torch.Tensor) -> torch.Tensor:
        return raw.clamp(0, 1)


class DenseFuse:
    """DenseFuse, any number of sources."""

    def __init__(self, state: Mapping[str, torch.Tensor]):
        self.state = state

    def prepare(self, sources: torch.Tensor) -> torch.Tensor:
        return 255 * sources

    def restore(self, raw: torch.Tensor) -> torch.Tensor:
        return raw / 255

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return _over_sources(lambda flat: densefuse.encode(self.state, flat), x)

    def merge(self, features: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        return (features if weights is None else weights * features).mean(1)

    def decode(self, latent: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return densefuse.decode(self.state, latent)

    def solo(self, x: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        return _over_sources(lambda flat: densefuse.decode(self.state, flat), features)

    def finish(self, raw: torch.Tensor) -> torch.Tensor:
        return self.restore(raw).clamp(0, 1)


class DIDFuse:
    """DIDFuse, any number of sources."""

    def __init__(self, state: Mapping[str, torch.Tensor]):
        self.state = state

    def prepare(self, sources: torch.Tensor) -> torch.Tensor:
        return sources

    def restore(self, raw: torch.Tensor) -> torch.Tensor:
        return raw

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = didfuse.encode(self.state, x.flatten(0, 1))
        return tuple(leaf.unflatten(0, x.shape[:2]) for leaf in features)

    def merge(
        self, features: tuple[torch.Tensor, ...], weights: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, ...]:
        weighted = features if weights is None else (weights * leaf for leaf in features)
        return tuple(leaf.sum(1) for leaf in weighted)

    def decode(self, latent: tuple[torch.Tensor, ...], x: torch.Tensor) -> torch.Tensor:
        return didfuse.decode(self.state, latent)

    def solo(self, x: torch.Tensor, features: tuple[torch.Tensor, ...]) -> torch.Tensor:
        alone = didfuse.decode(self.state, [leaf.flatten(0, 1) for leaf in features])
        return alone.unflatten(0, x.shape[:2])

    def finish(self, raw: torch.Tensor) -> torch.Tensor:
        return raw.clamp(0, 1)


class SeAFusion(PIAFusion):
    """SeAFusion: the same two sources, each in a stream of its own."""

    def __init__(self, state: Mapping[str, torch.Tensor]):
        self.state = state

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        streams = zip(("vis", "inf"), x.unbind(1), strict=True)
        return tuple(seafusion.encode(self.state, picture, name) for name, picture in streams)

    def decode(self, latent: tuple[torch.Tensor, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return seafusion.decode(self.state, *latent)

    def solo(self, x: torch.Tensor, features: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        (visible, infrared), (of_infrared, of_visible) = features, self.encode(x.flip(1))
        pairs = (torch.stack([visible, of_infrared], 1), torch.stack([of_visible, infrared], 1))
        return seafusion.decode(self.state, *(leaf.flatten(0, 1) for leaf in pairs)).unflatten(
            0, x.shape[:2]
        )


class MUFusion:
    """MUFusion: exactly two sources, static fusion only; `solo` is each one on both inputs."""

    def __init__(self, state: Mapping[str, torch.Tensor]):
        self.state = state

    def prepare(self, sources: torch.Tensor) -> torch.Tensor:
        return sources

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def merge(self, features: torch.Tensor) -> torch.Tensor:
        return features[:, [1, 0], 0]

    def decode(self, latent: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return mufusion.fused(self.state, latent)

    def solo(self, x: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        return _over_sources(lambda flat: mufusion.fused(self.state, flat.expand(-1, 2, -1, -1)), x)

    def finish(self, raw: torch.Tensor) -> torch.Tensor:
        return raw.clamp(0, 1)


Twin = IFCNN | CDDFuse | PIAFusion | DenseFuse | DIDFuse | SeAFusion | MUFusion
# The networks' names in the registry.
TWINS = {
    "ifcnn_sum": functools.partial(IFCNN, operator="sum"),
    "ifcnn_max": functools.partial(IFCNN, operator="max"),
    "ifcnn_mean": functools.partial(IFCNN, operator="mean"),
    "cddfuse_ivf": functools.partial(CDDFuse, residual="first"),
    "cddfuse_mif": functools.partial(CDDFuse, residual="none"),
    "piafusion": PIAFusion,
    "densefuse_gray": DenseFuse,
    "densefuse_rgb": DenseFuse,
    "pfcfuse": functools.partial(CDDFuse, residual="first"),
    "didfuse": DIDFuse,
    "seafusion": SeAFusion,
    "mufusion_roadscene": MUFusion,
    "mufusion_tno": MUFusion,
    "mufusion_medical": MUFusion,
    "mufusion_exposure": MUFusion,
    "mufusion_focus": MUFusion,
}
LOSSES = ("self", "intensity", "fused")


@torch.no_grad()
def static_fuse(network: Twin, sources: torch.Tensor) -> torch.Tensor:
    """The fused pictures [B, C, H, W] in [0, 1]."""
    x = network.prepare(sources)
    return network.finish(network.decode(network.merge(network.encode(x)), x))


@torch.no_grad()
def dynamic_fuse(
    network: Twin,
    sources: torch.Tensor,
    *,
    loss: str,
    norm: str,
    space: str,
    temperature: float,
    clip: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The fused pictures [B, C, H, W] in [0, 1] and RD [B, M, H, W].

    The options are those of `DominabilitySettings`; `loss` is one of `LOSSES`.
    """
    x = network.prepare(sources)
    features = network.encode(x)
    if loss == "fused":
        judged = network.decode(network.merge(features), x).unsqueeze(1)
    else:
        judged = network.solo(x, features)
    if space == "image":
        judged, x_judged = network.restore(judged), sources
        judged = judged.clamp(0, 1) if clip else judged
    else:
        x_judged = x
    target = x_judged.amax(1, keepdim=True) if loss == "intensity" else x_judged
    difference = judged - target
    losses = (difference.abs() if norm == "l1" else difference.square()).mean(2)
    rd = torch.softmax(torch.exp(-temperature * losses), dim=1)
    latent = network.merge(features, rd.shape[1] * rd[:, :, None])
    return network.finish(network.decode(latent, x)), rd


def _over_sources(function, x):
    return function(x.flatten(0, 1)).unflatten(0, x.shape[:2])
