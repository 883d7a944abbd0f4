"""The loss maps `component` and `gap`: what a network makes of copies of a source."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from tests.parts.in_windows import fuse_in_windows
from tests.random_models import random_model
from ttd_jax.core.fusion import decompose, measure_losses
from ttd_jax.core.gradient import gradient_maps
from ttd_jax.networks import Network

pytestmark = pytest.mark.usefixtures("quick_compilation")

NAMES = ("ifcnn_sum", "ifcnn_max", "ifcnn_mean", "cddfuse_mif", "piafusion")


def _sources(model, seed=0):
    shape = (2, 13, 18, model.spec.channels)
    return jnp.asarray(np.random.default_rng(seed).random(shape, np.float32))


@jax.jit
def _of_copies(model, sources):
    """Each source alone, fused statically with itself; CDDFuse-MIF has no residual."""

    def one(source):
        parts = decompose(model, jnp.broadcast_to(source, sources.shape))
        return parts.static

    return jax.vmap(one)(sources)


@jax.jit
def _losses(model, sources):
    parts = decompose(model, sources)
    return measure_losses(model, sources, parts, model.settings), parts


@pytest.mark.parametrize("name", NAMES)
def test_component_is_the_gap_between_copies_of_a_source_and_the_static_fusion(name):
    model = random_model(name)
    sources = _sources(model)
    component = model.replace(settings=model.spec.presets["component"])
    losses, parts = _losses(component, sources)
    expected = jnp.mean(jnp.abs(_of_copies(model, sources) - parts.static), axis=-1)
    np.testing.assert_allclose(losses, expected, atol=1e-5)
    assert losses.max() > 1e-3


def test_gap_is_the_sum_of_two_differences():
    model = random_model("ifcnn_max")
    model = model.replace(settings=model.spec.presets["gap"])
    losses, parts = _losses(model, _sources(model))
    apart = jnp.abs(parts.components - parts.x) + jnp.abs(parts.components - parts.static)
    np.testing.assert_allclose(losses, jnp.mean(apart, axis=-1), atol=1e-6)


@pytest.mark.parametrize("name", ["ifcnn_sum", "cddfuse_mif"])
def test_copies_are_what_the_default_decodes(name):
    model = random_model(name)
    sources = _sources(model)

    @jax.jit
    def both(model, sources):
        x = model.prepare(sources)
        features = model.encode(x)
        default = model.module.apply(model.variables, x, features, copies=3, method=Network.solo)
        return model.solo(x, features, copies=3), default

    np.testing.assert_allclose(*both(model, sources), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        *(("ifcnn_sum", "gap"), ("ifcnn_sum", "component")),
        *(("cddfuse_mif", "component"), ("piafusion", "component")),
    ],
)
def test_windows_weigh_as_the_whole_picture(name, preset):
    model = random_model(name)
    settings = model.spec.presets[preset]
    sources = np.asarray(_sources(model))
    whole = jax.jit(ttd_jax.dynamic_fuse)(model, sources, settings)
    cut = fuse_in_windows(model, sources, settings, rows=13)
    for name in ("losses", "dominability", "components"):
        np.testing.assert_allclose(getattr(cut, name), getattr(whole, name), atol=1e-5)


@pytest.mark.parametrize("name", ["ifcnn_sum", "piafusion"])
def test_its_gradient_depends_on_the_features(name):
    model = random_model(name)
    settings = model.spec.presets["component"]
    maps = jax.jit(gradient_maps)(model, _sources(model), settings)
    assert np.isfinite(maps).all()
    assert maps.max() > 0
