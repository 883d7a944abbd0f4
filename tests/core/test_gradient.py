"""Gradients of the loss with respect to the features, and the choice among their channels."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

import ttd_jax
from tests.compilation import quick_jit
from tests.random_models import random_model
from ttd_jax.core.dominability import DominabilitySettings, relative_dominability
from ttd_jax.core.fusion import decompose, measure_losses
from ttd_jax.core.gradient import gradient_maps, rank_channels, select_channel
from ttd_jax.networks import lookup

EVEN, ODD = (16, 18), (17, 15)


@struct.dataclass
class SmallNetwork:
    """Smooth, not linear, mixing neighbors on both sides; two leaves of features, 3 and 2 wide."""

    encoder: chex.Array  # [C, 5]
    decoder: chex.Array  # [5, C]
    settings: DominabilitySettings = struct.field(
        pytree_node=False, default_factory=DominabilitySettings
    )

    def prepare(self, sources):
        return (sources - 0.4) / 0.3

    def restore(self, raw):
        return raw * 0.3 + 0.4

    def encode(self, x):
        features = jnp.tanh((x + 0.5 * jnp.roll(x, 1, axis=-2)) @ self.encoder)
        return {"second": features[..., 3:], "first": features[..., :3]}

    def merge(self, features, weights):
        return jax.tree.map(lambda leaf: jnp.sum(weights[..., None] * leaf, axis=0), features)

    def decode(self, latent, x):
        raw = jnp.concatenate([latent["first"], latent["second"]], axis=-1) @ self.decoder
        raw = jnp.tanh(raw - 0.5 * jnp.roll(raw, 1, axis=-3))
        return raw if x is None else raw + 0.1 * x[0]

    def solo(self, x, features):
        del x
        return self.decode(features, None)

    def finish(self, raw):
        return jnp.clip(self.restore(raw), 0, 1)


class IdentityNetwork:
    """Features are the pictures themselves, so every component is perfect."""

    settings = DominabilitySettings(loss="self", norm="l1")

    prepare = restore = encode = finish = staticmethod(lambda x: x)
    solo = staticmethod(lambda x, features: features)
    decode = staticmethod(lambda latent, x: latent)
    merge = staticmethod(lambda features, weights: jnp.sum(weights[..., None] * features, axis=0))


def small_network(**settings):
    rng = np.random.default_rng(0)
    return SmallNetwork(
        encoder=jnp.asarray(rng.normal(size=(2, 5))),
        decoder=jnp.asarray(rng.normal(size=(5, 2)) / 2),
        settings=DominabilitySettings(**{"loss": "self", **settings}),
    )


def random_pictures(*shape, seed=0, dtype=np.float32):
    return jnp.asarray(np.random.default_rng(seed).random(shape), dtype)


# What the gradient is -------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["squared", "l1"])
@pytest.mark.parametrize(
    ("preset", "size"), [("self", (4, 6)), ("self", (5, 3)), ("fused", (5, 4))]
)
def test_maps_agree_with_finite_differences(size, norm, preset):
    """The loss written out once more, moved by every single feature, in float64."""
    with jax.enable_x64(True):
        settings = {"loss": preset, "norm": norm, "space": "image"}
        network = small_network(**settings)
        sources = random_pictures(3, *size, 2, dtype=np.float64)
        x = network.prepare(sources)
        features = network.encode(x)
        names = sorted(features)

        def totals(features):  # of each source's loss map
            if preset == "self":
                picture = network.decode(features, None)
            else:
                picture = network.decode(jax.tree.map(lambda leaf: leaf.sum(0), features), x)
            difference = network.restore(picture) - sources
            loss = jnp.abs(difference) if norm == "l1" else difference**2
            return loss.mean(-1).sum((1, 2))

        step, expected = 1e-6, []
        for name in names:
            leaf = features[name]

            def difference(moved, name=name, leaf=leaf):
                above = totals({**features, name: leaf + moved.reshape(leaf.shape)})
                below = totals({**features, name: leaf - moved.reshape(leaf.shape)})
                return (above - below) / (2 * step)

            slopes = quick_jit(jax.vmap(difference))(step * jnp.eye(leaf.size))
            slopes = slopes.reshape(*leaf.shape, 3)  # the last axis: which source's loss
            if preset == "self":  # no source's loss knows another's features
                np.testing.assert_allclose(slopes[0, ..., 1:], 0, atol=1e-8)
            expected.append(jnp.abs(jnp.moveaxis(jnp.diagonal(slopes, axis1=0, axis2=4), -1, 0)))
        found = quick_jit(gradient_maps)(network, sources)
        assert found.dtype == jnp.float64
        chex.assert_shape(found, (3, *size, 5))
        np.testing.assert_allclose(found, jnp.concatenate(expected, -1), rtol=1e-3, atol=1e-8)
        assert found.min() > 0


def test_a_sum_over_sources_would_tell_summed_features_nothing_apart():
    """Why each source answers for its own loss: the total moves alike with either's features."""
    network = small_network(loss="fused", norm="squared")
    sources = random_pictures(2, 4, 5, 2)

    @quick_jit
    def both(sources):
        def losses(parts):
            return measure_losses(network, sources, parts, network.settings)

        return gradient_maps(network, sources), gradient_maps(network, sources, losses)

    own, total = both(sources)
    np.testing.assert_allclose(total[0], total[1], rtol=1e-5)
    assert float(jnp.mean(jnp.abs(own[0] - own[1]))) > 0.1 * float(jnp.mean(own))


def test_the_loss_is_a_sum_so_that_gradients_do_not_shrink_with_the_picture():
    sources = random_pictures(2, 4, 6, 1)
    network = IdentityNetwork()
    settings = DominabilitySettings(loss="fused", norm="squared")
    maps = quick_jit(lambda sources: gradient_maps(network, sources, settings))
    one, tiled = maps(sources), maps(jnp.tile(sources, (1, 3, 2, 1)))
    np.testing.assert_allclose(tiled, jnp.tile(one, (1, 3, 2, 1)), rtol=1e-6)
    # |d/df_m (f_1 + f_2 - x_m)^2| where f = x: twice what the other brings.
    np.testing.assert_allclose(one, 2 * sources[::-1], rtol=1e-5)


def test_the_kink_of_a_perfect_component_has_gradient_zero():
    network = IdentityNetwork()
    maps = quick_jit(lambda sources: gradient_maps(network, sources))(random_pictures(2, 4, 5, 3))
    np.testing.assert_array_equal(maps, 0.0)  # that of jnp.abs would be 1 / 3


def test_a_loss_may_be_any_function_of_the_decomposition():
    network = small_network(loss="self", norm="squared", space="network")
    sources = random_pictures(2, 5, 4, 2)

    def by_hand(parts):
        return jnp.mean((parts.components - parts.x) ** 2, axis=-1)

    @quick_jit
    def three_ways(network, sources):
        parts = decompose(network, sources)
        return (
            gradient_maps(network, sources),
            gradient_maps(network, sources, by_hand),
            gradient_maps(network, sources, by_hand, parts=parts),
        )

    expected, without, given = three_ways(network, sources)
    np.testing.assert_allclose(without, expected, rtol=1e-5)
    np.testing.assert_allclose(given, expected, rtol=1e-5)


def test_a_loss_that_ignores_the_features_is_refused():
    network, sources = small_network(), random_pictures(2, 5, 4, 2)
    with pytest.raises(ValueError, match="does not depend on the features"):
        jax.jit(lambda s: gradient_maps(network, s, lambda parts: parts.x**2))(sources)


# Backbones ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "preset", "size", "channels"),
    [
        ("ifcnn_sum", "fused", EVEN, 64),
        ("piafusion", "fused", EVEN, 128),
        ("cddfuse_ivf", "self", (9, 8), 128),
    ],
)
def test_maps_of_every_network_under_jit_and_vmap(name, preset, size, channels):
    row, model = lookup(name), random_model(name)
    scenes = random_pictures(2, 2, *size, row.channels)
    settings = row.presets[preset]
    run = quick_jit(jax.vmap(lambda model, s: gradient_maps(model, s, settings), (None, 0)))
    maps = run(model, scenes)
    chex.assert_shape(maps, (2, 2, *size, channels))
    chex.assert_tree_all_finite(maps)
    assert np.all(np.max(maps, axis=(2, 3, 4)) > 0)  # of both sources of both scenes
    assert float(maps.min()) >= 0
    # Scenes of a batch know nothing of each other.
    swapped = run(model, scenes[::-1])
    np.testing.assert_allclose(swapped[::-1], maps, rtol=1e-4, atol=1e-6)


@functools.partial(quick_jit, static_argnums=2)
@functools.partial(jax.vmap, in_axes=(None, 0, None))
def fuse_by_gradient(model, sources, settings):
    """The whole way: maps, their best channel, and the fusion that it gives."""
    parts = decompose(model, sources)
    losses = measure_losses(model, sources, parts, settings)
    maps = gradient_maps(model, sources, settings, parts=parts)
    chosen, ranking = select_channel(maps, "auto", losses=losses, temperature=3.0)
    fusion = ttd_jax.dynamic_fuse(
        model, sources, DominabilitySettings(loss="self", temperature=3.0), losses=chosen
    )
    return maps, ranking, fusion


def test_dynamic_fusion_takes_the_best_channel_as_its_losses():
    model, scenes = random_model("ifcnn_max"), random_pictures(2, 3, *ODD, 3)
    settings = DominabilitySettings(loss="self", norm="l1")
    maps, ranking, fusion = fuse_by_gradient(model, scenes, settings)
    for index in range(2):
        best = maps[index, ..., ranking[index, 0]]
        rd = relative_dominability(best, temperature=3.0)
        np.testing.assert_allclose(fusion.dominability[index], rd, atol=1e-6)
        assert float(jnp.std(rd)) > 1e-3


@quick_jit
def own_passes(model, sources):
    """PIAFusion's `self`, source by source: gradients and components, and what `solo` gives."""
    maps, components = [], []
    for m in range(2):
        features = model.encode(jnp.stack([sources[m]] * 2))

        def total(stream, features=features, m=m):
            latent = model.merge(features.at[m].set(stream), jnp.ones(sources.shape[:3]))
            component = model.decode(latent, None)
            return jnp.sum((component - sources[m]) ** 2), component

        gradient, component = jax.grad(total, has_aux=True)(features[m])
        maps.append(jnp.abs(gradient))
        components.append(component)
    return jnp.stack(maps), jnp.stack(components), model.solo(sources, None)


def test_features_of_piafusion_are_those_of_each_sources_own_pass():
    model, sources = random_model("piafusion"), random_pictures(2, *ODD, 1)
    maps, components, solo = own_passes(model, sources)
    np.testing.assert_allclose(components, solo, atol=1e-5)
    settings = lookup("piafusion").presets["self"]
    found = quick_jit(gradient_maps)(model, sources, settings)
    np.testing.assert_allclose(found, maps, rtol=1e-3, atol=1e-6)


@struct.dataclass
class CoupledNetwork(SmallNetwork):
    """Each stream sees both sources; a component is the network with one source on both inputs."""

    coupled = True

    def encode(self, x):
        return super().encode(x + 0.3 * jnp.roll(x, 1, axis=0) ** 2)

    def merge(self, features, weights):
        scale = jnp.array([1.0, 2.0]).reshape(2, 1, 1, 1)  # the streams are not alike
        return super().merge(jax.tree.map(lambda leaf: scale * leaf, features), weights)

    def solo(self, x, features):
        del features
        weights = jnp.ones(x.shape[:3])
        passes = [self.encode(jnp.stack([source] * 2)) for source in x]
        return jnp.stack([self.decode(self.merge(each, weights), None) for each in passes])


class Compiled:
    """A network whose methods are compiled: `solo` takes the features in and drops them inside."""

    def __init__(self, network):
        self.network, self.settings, self.coupled = network, network.settings, True

    def __getattr__(self, method):
        return jax.jit(getattr(self.network, method))


@pytest.mark.parametrize("preset", ["self", "intensity", "fused"])
def test_a_coupled_network_has_a_gradient_for_every_preset_compiled_or_not(preset):
    small = small_network()
    network = CoupledNetwork(
        small.encoder, small.decoder, DominabilitySettings(loss=preset, norm="l1")
    )
    sources = random_pictures(2, 4, 5, 2)
    maps = quick_jit(gradient_maps)(network, sources)
    assert np.all(np.max(maps, axis=(1, 2)) > 0)  # every source, every channel
    compiled = quick_jit(lambda sources: gradient_maps(Compiled(network), sources))(sources)
    np.testing.assert_allclose(compiled, maps, rtol=1e-4, atol=1e-6)


# Channels -------------------------------------------------------------------------------------

rank = jax.jit(rank_channels)


@jax.jit
def choose_best(maps, losses, temperature):
    return select_channel(maps, "auto", losses=losses, temperature=temperature)


def random_maps(count=3, channels=7, seed=0):
    rng = np.random.default_rng(seed)
    maps = rng.exponential(size=(count, 6, 9, channels)) * rng.uniform(0.1, 3, channels)
    return jnp.asarray(maps, jnp.float32), jnp.asarray(rng.random((count, 6, 9)), jnp.float32)


def test_a_channel_and_the_mean_of_all():
    maps, _ = random_maps()
    chosen, ranking = select_channel(maps, 4)
    np.testing.assert_array_equal(chosen, maps[..., 4])
    assert ranking is None
    chosen, ranking = select_channel(maps, "all")
    np.testing.assert_allclose(chosen, np.mean(maps, axis=-1), rtol=1e-6)
    assert ranking is None


@pytest.mark.parametrize("temperature", [0.5, 4.0])
def test_auto_is_the_least_covariance_of_all_channels(temperature):
    maps, losses = random_maps()
    scores = []
    for channel in range(maps.shape[-1]):
        score = np.exp(np.exp(-temperature * np.float64(maps[..., channel])))
        rd = score / score.sum(axis=0)
        scores.append(
            sum(
                np.cov(w.ravel(), e.ravel(), bias=True)[0, 1]
                for w, e in zip(rd, np.float64(losses), strict=True)
            )
        )
    ranking, found = rank(maps, losses, temperature=temperature)
    np.testing.assert_allclose(found, scores, rtol=1e-3, atol=1e-7)
    np.testing.assert_array_equal(ranking, np.argsort(scores))
    chosen, order = choose_best(maps, losses, temperature)
    np.testing.assert_array_equal(chosen, maps[..., int(np.argmin(scores))])
    np.testing.assert_array_equal(order, ranking)


def test_auto_finds_the_channel_that_follows_the_loss_and_puts_its_opposite_last():
    maps, losses = random_maps()
    maps = maps.at[..., 2].set(losses).at[..., 5].set(1 - losses)
    ranking, scores = rank(maps, losses)
    assert (int(ranking[0]), int(ranking[-1])) == (2, 5)
    assert float(scores[2]) < 0 < float(scores[5])


def test_channels_without_gradient_score_zero_and_keep_their_order():
    maps, losses = random_maps()
    ranking, scores = rank(jnp.zeros_like(maps), losses)
    np.testing.assert_allclose(scores, 0, atol=1e-8)
    assert sorted(ranking.tolist()) == list(range(7))


@pytest.mark.parametrize("channel", [7, -1, "best"])
def test_channels_that_are_not_there_are_named(channel):
    with pytest.raises(ValueError, match=f"0 to 6.*{channel}"):
        select_channel(random_maps()[0], channel)


def test_auto_needs_losses():
    with pytest.raises(ValueError, match="needs losses"):
        select_channel(random_maps()[0], "auto")
