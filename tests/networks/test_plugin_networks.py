"""What a spec may say, and what a network of another package must give."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import ttd_jax
from tests import small_networks as small
from ttd_jax.errors import UserError
from ttd_jax.networks import NETWORKS
from ttd_jax.networks.layout import plain
from ttd_jax.weights.convert import _tensors_in

GRAYS = [np.linspace(0, 1, 108, dtype=np.float32).reshape(12, 9)] * 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "a b"}, "cannot be named 'a b'"),
        ({"name": None}, "cannot be named None"),
        ({"build": small.Local()}, "build must make the module"),
        ({"build": "Local"}, "build must make the module"),
        ({"layout": {"a": 1}}, "layout must be a Layout"),
        ({"channels": 2}, "channels must be one of 1, 3, got 2"),
        ({"presets": "self"}, "presets must map names"),
        ({"presets": {"own": "self"}}, "preset 'own' must be a DominabilitySettings, got 'self'"),
        ({"presets": {"static": small.SETTINGS}}, "cannot be named 'static'"),
        ({"presets": {"ttd": small.SETTINGS}}, "cannot be named 'ttd'"),
        ({"presets": {"fused": small.SETTINGS}}, "preset 'fused' is of the loss map 'self'"),
        ({"quantize": "floor"}, "quantize must be one of round, truncate"),
        ({"saving": "gray"}, "saving must be a Saving or None"),
        ({"tasks": ("x",)}, "unknown task 'x'"),
        ({"tasks": "medical"}, "tasks must be several"),
        ({"source_count": 0}, "source_count must be a whole number"),
        ({"min_size": 0}, "min_size must be a whole number"),
        ({"stride": 0}, "stride must be a whole number"),
        ({"reach": (1, 1)}, "reach must be a Reach or None"),
    ],
)
def test_a_spec_that_cannot_be_is_refused_in_a_line(fields, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(small.LOCAL, **fields)


@pytest.mark.parametrize("thing", [small.Local, nn, None])
def test_what_is_no_spec_is_not_registered(thing):
    with pytest.raises(UserError, match="register_network takes a spec"):
        ttd_jax.register_network(thing)


def test_a_network_may_be_registered_again_by_the_same_code():
    with small.registered():
        ttd_jax.register_network(small.LOCAL)
        again = dataclasses.replace(small.LOCAL, paper="x")
        ttd_jax.register_network(again)
        assert NETWORKS["small_local"] is again
        with pytest.raises(UserError, match="registered already"):
            ttd_jax.register_network(dataclasses.replace(again, name="Small_Local"))
        with pytest.raises(UserError, match="registered already, by ttd_jax"):
            ttd_jax.register_network(dataclasses.replace(again, name="ifcnn_sum"))


class NoMerge(small.Local):
    merge = ttd_jax.Network.merge


class KeepsSources(small.Local):
    def merge(self, features, weights):
        return weights[..., None] * features


class Half(small.Local):
    def decode(self, latent, x):
        return super().decode(latent, x)[::2, ::2]


class Flat(small.Local):
    def decode(self, latent, x):
        return super().decode(latent, x)[..., 0]


class Lost(small.Local):
    def encode(self, x):
        return super().encode(x)[:1]


class Divides(small.Local):
    def encode(self, x):
        return x / (1 // 0)


class Asks(small.Local):
    def encode(self, x):
        return super().encode(x) if x.mean() > 0 else x


class NoNetwork(nn.Module):
    precision: object = None

    def __call__(self, x):
        return x


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (NoMerge, "fails in solo: NotImplementedError: NoMerge defines no merge"),
        (KeepsSources, r"what merge gives for one source, must give float32\[2, 12, 9, 1\]"),
        (Half, r"decode, .* must give float32\[.*12, 9, 1\], it gives float32\[.*6, 5, 1\]"),
        (Flat, r"must give float32\[.*12, 9, 1\]"),
        (Lost, "encode must give features of all 2 sources"),
        (Divides, "fails in encode: ZeroDivisionError"),
        (Asks, "fails in encode: TracerBoolConversionError.*jax.numpy"),
    ],
)
def test_a_network_that_gives_something_else_is_named_in_a_line(build, message):
    variables = small.bound().variables
    model = dataclasses.replace(small.LOCAL, build=build).bind(variables)
    with pytest.raises(UserError, match=f"network 'small_local'.*{message}") as refused:
        ttd_jax.fuse(model, GRAYS)
    assert "\n" not in str(refused.value)


def test_wrong_channels_are_told_in_a_line():
    variables = small.bound().variables
    model = dataclasses.replace(small.LOCAL, channels=3).bind(variables)
    with pytest.raises(UserError, match="network 'small_local' fails in encode: ScopeParamShape"):
        ttd_jax.fuse(model, GRAYS)


def test_what_cannot_be_built_is_told_in_a_line():
    for build, message in (
        (NoNetwork, "build must make a ttd_jax.Network, it makes NoNetwork"),
        (lambda: small.Local(), "cannot be built: TypeError"),
    ):
        spec = dataclasses.replace(small.LOCAL, build=build)
        with pytest.raises(UserError, match=f"'small_local'.*{message}"):
            spec.bind({}, precision="highest")
    with pytest.raises(UserError, match=r"'small_local' fails on f32\[2, 16, 16, 1\]: NotImpl"):
        dataclasses.replace(small.LOCAL, build=NoMerge).shapes()


def test_strategies_are_told_with_all_that_are_known():
    model = small.bound()
    for name in ("TTD", None, 3):
        with pytest.raises(UserError) as refused:
            model.strategy(name)
        assert f"unknown strategy of small_local {name!r}" in str(refused.value)
        assert "known strategies: static, ttd, self, intensity, fused" in str(refused.value)
    with pytest.raises(UserError, match="unknown preset or loss map of small_local 'x'"):
        model.spec.dominability("x")
    free = ttd_jax.Model(model.variables, model.module, small.SETTINGS)
    assert free.strategy("fused") == dataclasses.replace(small.SETTINGS, loss="fused")


def test_plain_layers_are_convolutions_unless_said_otherwise():
    assert plain("a", "b")["a.weight"].transform is ttd_jax.layout.CONV


def test_what_a_layout_misses_is_told():
    layout = ttd_jax.Layout("small", {}, flatten=lambda loaded: loaded["net"])
    spec = dataclasses.replace(small.LOCAL, layout=layout)
    with pytest.raises(
        UserError, match=r"small\.pth: not laid out as .* small_local: KeyError: 'n"
    ):
        _tensors_in(spec, {"other": {}}, "small.pth")


class Nan(small.Local):
    def decode(self, latent, x):
        return super().decode(latent, x) * jnp.nan


@pytest.mark.parametrize("strategy", ["static", "ttd"])
def test_a_fusion_that_is_no_number_is_refused_by_name(strategy):
    model = dataclasses.replace(small.LOCAL, build=Nan).bind(small.bound().variables)
    pictures = [np.random.default_rng(m).random((40, 21), np.float32) for m in range(2)]
    with pytest.raises(UserError, match=r"network 'small_local'.* gives NaN or infinity"):
        ttd_jax.fuse(model, pictures, strategy=strategy)


def test_a_model_of_a_spec_can_be_fused_with_saved_and_loaded(tmp_path):
    with small.registered():
        ttd_jax.register_network(small.LOCAL)
        model = small.LOCAL.bind(small.bound().variables)
        ttd_jax.save(tmp_path / "weights", model)
        again = ttd_jax.load(tmp_path / "weights")
        one, other = (ttd_jax.fuse(m, GRAYS).image for m in (model, again))
        np.testing.assert_array_equal(one, other)
        free = ttd_jax.Model(variables=model.variables, module=model.module)
        with pytest.raises(UserError, match=r"spec\.bind\(variables\)"):
            ttd_jax.fuse(free, GRAYS)
