"""Static and dynamic fusion, on a real network with random weights."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from tests.random_models import random_model
from ttd_jax.core.dominability import DominabilitySettings
from ttd_jax.networks import lookup, networks

IFCNN = [name for name in networks() if name.startswith("ifcnn")]
EVEN, ODD = (16, 24), (15, 23)


def ifcnn(name="ifcnn_sum", preset="fused", seed=0):
    return random_model(name, seed=seed, settings=lookup(name).presets[preset])


def random_sources(size, count=2, seed=1, batch=()):
    return jax.random.uniform(jax.random.key(seed), (*batch, count, *size, 3))


@pytest.mark.parametrize("name", IFCNN)
@pytest.mark.parametrize(("size", "count"), [(ODD, 1), (EVEN, 2), (ODD, 3)])
def test_static_fusion_is_dynamic_fusion_with_weights_of_one(name, size, count):
    model = ifcnn(name)
    sources = random_sources(size, count)
    static = ttd_jax.static_fuse(model, sources)
    equal = ttd_jax.dynamic_fuse(model, sources, losses=jnp.ones((count, *size)))
    np.testing.assert_allclose(equal.image, static.image, atol=1e-6)
    np.testing.assert_allclose(equal.dominability, static.dominability, atol=1e-6)


@pytest.mark.parametrize("preset", ["fused", "intensity", "self"])
def test_fusion_has_the_documented_shapes_and_ranges(preset):
    model = ifcnn(preset=preset)
    fusion = ttd_jax.dynamic_fuse(model, random_sources(ODD, 3))
    chex.assert_shape(fusion.image, (*ODD, 3))
    chex.assert_shape([fusion.dominability, fusion.losses], (3, *ODD))
    chex.assert_shape(fusion.components, (3, *ODD, 3))
    chex.assert_tree_all_finite(fusion)
    assert float(fusion.image.min()) >= 0
    assert float(fusion.image.max()) <= 1
    np.testing.assert_allclose(fusion.dominability.sum(axis=0), 1, atol=1e-6)


@pytest.mark.parametrize("norm", ["squared", "l1"])
def test_self_dominability_of_two_sources_keeps_its_range(norm):
    settings = DominabilitySettings(loss="self", norm=norm, temperature=50.0)
    rd = ttd_jax.dynamic_fuse(ifcnn(), random_sources(ODD), settings).dominability
    assert float(rd.min()) >= 0.26894
    assert float(rd.max()) <= 0.73106
    assert float(rd.max()) - float(rd.min()) > 0.01


@pytest.mark.parametrize("preset", ["fused", "intensity", "self"])
def test_permuting_the_sources_permutes_dominability_and_keeps_the_image(preset):
    model = ifcnn(preset=preset)
    sources = random_sources(EVEN, 3)
    order = np.array([2, 0, 1])
    fusion, permuted = (ttd_jax.dynamic_fuse(model, s) for s in (sources, sources[order]))
    np.testing.assert_allclose(permuted.dominability, fusion.dominability[order], atol=1e-6)
    np.testing.assert_allclose(permuted.image, fusion.image, atol=1e-6)


def test_the_space_of_the_loss_matters_and_clipping_only_in_the_image():
    model, sources = ifcnn(), random_sources(EVEN)
    make = functools.partial(DominabilitySettings, loss="self", norm="l1")
    network = ttd_jax.dynamic_fuse(model, sources, make(space="network"))
    image = ttd_jax.dynamic_fuse(model, sources, make(space="image"))
    clipped = ttd_jax.dynamic_fuse(model, sources, make(space="image", clip=True))
    expected = np.abs(np.asarray(image.components) - np.asarray(sources)).mean(-1)
    np.testing.assert_allclose(image.losses, expected, atol=1e-6)
    expected = np.abs(np.clip(np.asarray(image.components), 0, 1) - np.asarray(sources)).mean(-1)
    np.testing.assert_allclose(clipped.losses, expected, atol=1e-6)
    std = np.array([0.229, 0.224, 0.225])
    expected = (np.abs(np.asarray(image.components) - np.asarray(sources)) / std).mean(-1)
    np.testing.assert_allclose(network.losses, expected, rtol=1e-4, atol=1e-5)


def test_vmap_over_scenes_equals_the_loop():
    model = ifcnn()
    scenes = random_sources(ODD, batch=(3,))
    batched = jax.vmap(ttd_jax.dynamic_fuse, in_axes=(None, 0))(model, scenes)
    for i, scene in enumerate(scenes):
        one = ttd_jax.dynamic_fuse(model, scene)
        chex.assert_trees_all_close(
            jax.tree.map(lambda leaf, i=i: leaf[i], batched), one, atol=1e-5
        )


def test_a_shape_is_traced_once():
    chex.clear_trace_counter()
    fuse = jax.jit(chex.assert_max_traces(ttd_jax.dynamic_fuse, n=1))
    model = ifcnn()
    first = fuse(model, random_sources(EVEN, seed=1))
    second = fuse(ifcnn(seed=3), random_sources(EVEN, seed=2))
    assert not np.allclose(first.image, second.image)


def test_pmap_takes_the_model_whole():
    model = ifcnn()
    scenes = random_sources(EVEN, batch=(1,))
    mapped = jax.pmap(ttd_jax.dynamic_fuse, in_axes=(None, 0))(model, scenes)
    one = ttd_jax.dynamic_fuse(model, scenes[0])
    np.testing.assert_allclose(mapped.image[0], one.image, atol=1e-5)


@pytest.mark.parametrize("preset", ["fused", "intensity", "self"])
@pytest.mark.parametrize("name", IFCNN)
def test_gradients_of_the_image_are_finite(name, preset):
    def total(model, sources):
        return jnp.sum(ttd_jax.dynamic_fuse(model, sources).image)

    sources = random_sources((9, 11)).at[:, :3].set(0.5)  # equal losses: the kinks of |.| and max
    model = ifcnn(name, preset)
    by_model, by_sources = jax.grad(total, argnums=(0, 1))(model, sources)
    chex.assert_tree_all_finite((by_model, by_sources))
    assert all(float(jnp.abs(g).max()) > 0 for g in jax.tree.leaves(by_model.params))
    assert float(jnp.abs(by_sources).max()) > 0


def test_dynamic_fusion_is_a_flax_module_with_the_same_result():
    model, sources = ifcnn(), random_sources(ODD)
    layer = ttd_jax.DynamicFusion(model.module, model.settings)
    variables = {kind: {"network": tree} for kind, tree in model.variables.items()}
    fused = layer.apply(variables, sources)
    chex.assert_trees_all_close(fused, ttd_jax.dynamic_fuse(model, sources), atol=1e-6)
    fresh = layer.init(jax.random.key(0), sources)
    chex.assert_trees_all_equal_shapes(fresh, variables)


def test_losses_of_the_wrong_shape_are_refused():
    with pytest.raises(AssertionError):
        ttd_jax.dynamic_fuse(ifcnn(), random_sources(EVEN), losses=jnp.ones((2, 3, 3)))


def test_losses_may_be_a_function_of_those_that_the_settings_measure():
    model, sources = ifcnn(), random_sources(EVEN)
    measured = ttd_jax.dynamic_fuse(model, sources).losses
    by_function = ttd_jax.dynamic_fuse(model, sources, losses=lambda losses: 0.5 * losses)
    by_maps = ttd_jax.dynamic_fuse(model, sources, losses=0.5 * measured)
    chex.assert_trees_all_close(by_function, by_maps, atol=1e-6)
    np.testing.assert_array_equal(by_function.losses, 0.5 * measured)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_losses_that_are_no_numbers_are_refused(number):
    losses = np.ones((2, *EVEN), np.float32)
    losses[1, 2, 3] = number
    with pytest.raises(ttd_jax.UserError, match="losses has NaN or infinity"):
        ttd_jax.dynamic_fuse(ifcnn(), random_sources(EVEN), losses=losses)
    with pytest.raises(ttd_jax.UserError, match="losses has NaN or infinity"):
        ttd_jax.relative_dominability(losses)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "bfloat16", "float64"])
def test_pictures_of_any_dtype_are_fused_as_float32_in_0_to_1(dtype):
    model, sources = ifcnn(), np.asarray(random_sources(EVEN))
    if dtype.startswith("uint"):
        given = np.rint(sources * np.iinfo(dtype).max).astype(dtype)
        meant = np.float32(given / np.float32(np.iinfo(dtype).max))
    else:
        given = sources.astype(jnp.dtype(dtype))
        meant = given.astype(np.float32)
    for fuse in (ttd_jax.dynamic_fuse, ttd_jax.static_fuse):
        expected = fuse(model, meant)
        for found in (fuse(model, given), jax.jit(fuse)(model, given)):
            assert found.image.dtype == jnp.float32
            chex.assert_trees_all_close(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda s: 255 * s, r"values from .* to 2\d\d.*: floats must lie in \[0, 1\]"),
        (lambda s: s - 0.5, r"values from -0\.\d* to"),
        (lambda s: s.at[0, 0, 0].set(jnp.nan), "has NaN"),
        (lambda s: jnp.int32(255 * s), "is int32.*: pass uint8, uint16 or floats"),
        (lambda s: s[None], r"float32\[1, 2, .*jax.vmap"),
        (lambda s: s[0], "jnp.stack"),
        (lambda s: s[..., 0], r"gray\[..., None\]"),
        (list, r"is a list: jnp.stack makes f32\[M, H, W, C\]"),
        (lambda s: s[..., :1], "ifcnn_sum takes C = 3, not 1: ttd_jax.fuse takes"),
        (lambda s: jnp.concatenate([s, s[..., :1]], -1), "ifcnn_sum takes C = 3, not 4"),
    ],
)
def test_sources_that_are_none_are_refused_in_a_line(make, words):
    for fuse in (ttd_jax.dynamic_fuse, ttd_jax.static_fuse):
        with pytest.raises(ttd_jax.UserError, match=words) as refusal:
            fuse(ifcnn(), make(random_sources(EVEN)))
        assert "\n" not in str(refusal.value)


def test_rounding_beyond_the_range_is_no_mistake():
    ttd_jax.dynamic_fuse(ifcnn(), random_sources(EVEN).at[0, 0, 0].set(1 + 1e-6))


def test_a_field_of_the_settings_is_changed_and_nothing_else():
    model, sources = ifcnn(), random_sources(EVEN)
    expected = ttd_jax.dynamic_fuse(
        model,
        sources,
        DominabilitySettings(loss="fused", norm="l1", space="network", temperature=9.0),
    )
    fuse = jax.jit(ttd_jax.dynamic_fuse)  # there the temperature is a number nobody knows
    for found in (
        ttd_jax.dynamic_fuse(model, sources, temperature=9.0),
        ttd_jax.dynamic_fuse(model, sources, model.settings.replace(temperature=9.0)),
        fuse(model, sources, temperature=9.0),
    ):
        chex.assert_trees_all_close(found, expected, atol=1e-6)
    other = ttd_jax.dynamic_fuse(model, sources, temperature=1.0)
    assert not np.allclose(other.dominability, expected.dominability)
    with pytest.raises(ttd_jax.UserError, match="temperature must be positive"):
        ttd_jax.dynamic_fuse(model, sources, temperature=0.0)
    with pytest.raises(ttd_jax.UserError, match=r"float32\[2, .*losses="):
        ttd_jax.dynamic_fuse(model, sources, jnp.ones((2, *EVEN)))


class Blend:
    """A network of seven methods, of no library's."""

    def prepare(self, sources):
        return sources

    def restore(self, raw):
        return raw

    def encode(self, x):
        return x

    def merge(self, features, weights):
        return jnp.mean(weights[..., None] * features, axis=0)

    def decode(self, latent, x):
        return latent

    def solo(self, x, features):
        return features

    def finish(self, raw):
        return jnp.clip(raw, 0.0, 1.0)


def test_a_class_with_the_seven_methods_is_a_network():
    network, sources = Blend(), random_sources(EVEN)
    static = ttd_jax.static_fuse(network, sources)
    np.testing.assert_allclose(static.image, sources.mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(static.losses, 0)  # eq. 6: each source rebuilds itself
    settings = DominabilitySettings(loss="intensity", norm="l1", temperature=5.0)
    eager = ttd_jax.dynamic_fuse(network, sources, settings)
    for compiled in (
        jax.jit(lambda s: ttd_jax.dynamic_fuse(network, s, settings))(sources),
        jax.jit(ttd_jax.dynamic_fuse, static_argnums=0)(network, sources, settings),
    ):
        chex.assert_trees_all_close(compiled, eager, atol=1e-6)
    assert float(jnp.abs(eager.image - static.image).max()) > 0.01


def test_models_and_fusions_are_shown_in_a_few_lines():
    model = ifcnn()
    assert repr(model).startswith("Model(ifcnn_sum, 83,843 numbers in 13 arrays,")
    assert "temperature=1.0" in repr(model)
    fusion = ttd_jax.dynamic_fuse(model, random_sources(EVEN))
    assert "image=float32[16, 24, 3]" in repr(fusion)
    for name in ("ifcnn_sum", "piafusion_classifier", "yolox_nano"):
        shown = repr(random_model(name))
        assert name in shown
        assert shown.count("\n") <= 2
    assert "13 numbers" in repr(jax.tree.map(lambda leaf: 0, model))  # as vmap's axes are
    assert repr(jax.tree.map(lambda leaf: 0, fusion)).startswith("Fusion(image=0,")
