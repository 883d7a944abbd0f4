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
