"""Pictures in the corner of larger arrays: their fusion is that of the pictures alone."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import ttd_jax
from tests.random_models import random_model
from ttd_jax.errors import UserError
from ttd_jax.networks import Model, Network
from ttd_jax.parts import tiles

FIELDS = ("image", "components", "losses", "dominability")
DYNAMIC = [(name, ttd_jax.dynamic_fuse) for name in ("ifcnn_max", "piafusion", "cddfuse_ivf")]


def scene(height, width, channels, seed=0, more=0):
    """Sources f32[2, H, W, C] in arrays larger by `more`, beyond them anything finite."""
    rng = np.random.default_rng(seed)
    sources = rng.random((2, height, width, channels), np.float32)
    arrays = 50 * rng.random((2, height + more, width + more, channels), np.float32) - 20
    arrays[:, :height, :width] = sources
    return sources, arrays


def cut(fusion, height, width):
    """The picture's part of what a fusion gives."""
    own = {"image": fusion.image[:height, :width]}
    return own | {name: getattr(fusion, name)[:, :height, :width] for name in FIELDS[1:]}


def compare(found, expected, atol):
    for name in FIELDS:
        np.testing.assert_allclose(found[name], getattr(expected, name), atol=atol, err_msg=name)


@pytest.mark.parametrize(("name", "fuse"), [*DYNAMIC, ("ifcnn_sum", ttd_jax.static_fuse)])
def test_larger_arrays_give_the_same(name, fuse):
    model = random_model(name)
    program = jax.jit(lambda extent, arrays: fuse(model, arrays, extent=extent))
    for (height, width), more in (((21, 18), 1), ((15, 12), 7)):  # arrays of one size
        sources, arrays = scene(height, width, model.spec.channels, more=more)
        found = program(jnp.array([height, width]), arrays)
        compare(cut(found, height, width), jax.jit(fuse)(model, sources), atol=2e-6)


@pytest.mark.parametrize("name", ["ifcnn_sum", "cddfuse_ivf"])
def test_tiles_take_the_picture_only(name, monkeypatch):
    model = random_model(name)
    sources, arrays = scene(13, 10, model.spec.channels, more=11)
    expected = jax.jit(ttd_jax.dynamic_fuse)(model, sources)
    monkeypatch.setattr(tiles, "SIZE", (8, 8))
    jax.clear_caches()
    try:
        program = jax.jit(lambda extent: ttd_jax.dynamic_fuse(model, arrays, extent=extent))
        assert "while" in program.lower(jnp.array([13, 10])).as_text()
        compare(cut(program(jnp.array([13, 10])), 13, 10), expected, atol=2e-6)
    finally:
        jax.clear_caches()


def test_pictures_of_all_sizes_share_a_program_and_a_batch():
    model = random_model("ifcnn_sum")
    sizes = [(9, 16), (16, 3), (1, 1), (15, 15)]
    scenes = [scene(*size, 3, seed=index)[0] for index, size in enumerate(sizes)]
    arrays = np.zeros((len(sizes), 2, 16, 16, 3), np.float32)
    for array, (height, width), sources in zip(arrays, sizes, scenes, strict=True):
        array[:, :height, :width] = sources

    @jax.jit
    @chex.assert_max_traces(n=1)
    def batch(arrays, extents):
        fuse = functools.partial(ttd_jax.dynamic_fuse, model)
        return jax.vmap(lambda sources, extent: fuse(sources, extent=extent))(arrays, extents)

    for turn in (1, -1):
        found = batch(arrays[::turn], jnp.array(sizes[::turn]))
        for index, (size, sources) in enumerate(list(zip(sizes, scenes, strict=True))[::turn]):
            own = jax.tree.map(lambda leaf, index=index: leaf[index], found)
            compare(cut(own, *size), ttd_jax.dynamic_fuse(model, sources), atol=2e-6)


def test_derivatives_stay_within_the_picture():
    model = random_model("ifcnn_sum")
    sources, arrays = scene(12, 9, 3, more=5)

    def slope(sources, **extent):
        def total(sources):
            image = ttd_jax.dynamic_fuse(model, sources, **extent).image
            return jnp.sum(jnp.square(image[:12, :9]))

        return jax.jit(jax.grad(total))(sources)

    found = slope(arrays, extent=jnp.array([12, 9]))
    np.testing.assert_allclose(found[:, :12, :9], slope(sources), atol=1e-5)
    assert not np.any(found[:, 12:])
    assert not np.any(found[:, :, 9:])


class _Around(Network):
    """A network whose methods take no part."""

    @nn.compact
    def encode(self, x):
        return x

    def merge(self, features, weights):
        return jnp.sum(weights[..., None] * features, axis=0)

    def decode(self, latent, x):
        return latent


def test_networks_that_look_around_in_ways_of_their_own_take_no_extent():
    model = Model(variables={}, module=_Around())
    with pytest.raises(UserError, match=r"_Around.* takes no extent, since not all its"):
        ttd_jax.dynamic_fuse(model, np.zeros((2, 4, 4, 1), np.float32), extent=(3, 3))
    with pytest.raises(UserError, match="object takes no extent"):
        ttd_jax.static_fuse(object(), np.zeros((2, 4, 4, 1), np.float32), extent=(3, 3))
