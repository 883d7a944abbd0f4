"""Networks, metrics and loss maps as a plug-in of another package would bring them."""

import contextlib
import dataclasses
import functools

import jax
import jax.numpy as jnp
from flax import linen as nn

import ttd_jax
from ttd_jax.core.dominability import LOSS_MAPS
from ttd_jax.metrics import METRICS
from ttd_jax.networks import NETWORKS, spec
from ttd_jax.networks.layers import PaddedConv, merge_sources
from ttd_jax.networks.random_variables import random_variables
from ttd_jax.parts.part import WHOLE

SETTINGS = ttd_jax.DominabilitySettings(loss="self", temperature=5.0)


class Local(ttd_jax.Network):
    """A 3x3 convolution to features and one to the picture, of one channel."""

    def setup(self):
        self.encoder = nn.Conv(4, (3, 3), precision=self.precision)
        self.decoder = nn.Conv(1, (3, 3), precision=self.precision)

    def encode(self, x):
        return nn.relu(self.encoder(x))

    def merge(self, features, weights):
        return jnp.mean(weights[..., None] * features, axis=0)

    def decode(self, latent, x):
        return nn.sigmoid(4 * self.decoder(latent))


class Strided(Local):
    """The same with a step of two pixels, whose features are repeated."""

    def setup(self):
        down = {"strides": (2, 2), "padding": ((1, 1), (1, 1)), "precision": self.precision}
        self.encoder = nn.Conv(4, (3, 3), **down)
        self.decoder = nn.Conv(1, (3, 3), precision=self.precision)

    def encode(self, x):
        wide = jnp.repeat(jnp.repeat(nn.relu(self.encoder(x)), 2, axis=1), 2, axis=2)
        return wide[:, : x.shape[1], : x.shape[2]]


class InParts(ttd_jax.Network):
    """A 3x3 convolution, whose weighted sum is added to the first source; its steps take parts."""

    def setup(self):
        self.conv = PaddedConv(1, size=3, pad_mode="edge", precision=self.precision)

    def encode(self, x, part=WHOLE):
        return part.run(self.conv, x, margin=1)

    def merge(self, features, weights, part=WHOLE):
        return part.map(functools.partial(merge_sources, "sum"), features, weights)

    def decode(self, latent, x, part=WHOLE):
        return latent if x is None else part.map(_add_first, latent, x)

    def solo(self, x, features, part=WHOLE, copies=1):
        return features

    def finish(self, raw, part=WHOLE):
        return part.map(nn.sigmoid, raw)


def _add_first(latent, x):
    return latent + x[0]


LOCAL = ttd_jax.FusionSpec(
    name="small_local",
    build=Local,
    channels=1,
    presets={"self": SETTINGS},
    reach=ttd_jax.Reach(features=1, picture=1),
)
STRIDED = dataclasses.replace(
    LOCAL, name="small_strided", build=Strided, reach=ttd_jax.Reach(3, 1, align=2)
)

IN_PARTS = dataclasses.replace(LOCAL, name="small_in_parts", build=InParts, reach=None)


def bound(spec=LOCAL, **fields):
    """A model of a spec that nobody registered, with other fields, and random variables."""
    spec = dataclasses.replace(spec, **fields)
    return spec.bind(jax.tree.map(jnp.asarray, random_variables(spec)))


def untried(monkeypatch):
    """Windows and larger arrays rely on what specs tell: to try it takes seconds."""
    for name in ("check_part", "check_reach"):
        monkeypatch.setattr(spec, name, lambda *given, **options: None)


@contextlib.contextmanager
def registered():
    """Whatever is registered within is forgotten afterwards."""
    registries = NETWORKS, METRICS, LOSS_MAPS
    states = [registry.state() for registry in registries]
    try:
        yield
    finally:
        for registry, (entries, origins) in zip(registries, states, strict=True):
            registry._entries, registry._origins = entries, origins
