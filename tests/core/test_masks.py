"""Sources that lack data at some pixels, on a small network with random weights."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from tests.core.test_fusion import Blend
from tests.random_models import random_model
from tests.small_networks import SETTINGS, bound
from ttd_jax.core import color, fusion
from ttd_jax.core.dominability import mask_dominability, weigh_losses
from ttd_jax.core.filling import REACH, fill_in

EVEN, ODD = (12, 18), (11, 17)
SEES = 3  # how far a pixel of the small network's dynamic fusion looks


def scene(size, count=2, seed=0):
    """Sources, and a mask: of the first rows of the first and the last columns of the second.

    No source has data in the corner of both, if they are two.
    """
    sources = np.random.default_rng(seed).random((count, *size, 1), np.float32)
    has_data = np.ones((count, *size), bool)
    has_data[0, :4] = has_data[1, :, -5:] = False
    return sources, has_data


def fused(fuse, network, sources, **options):
    """On the host, by one program."""
    found = jax.jit(lambda sources, options: fuse(network, sources, **options))(sources, options)
    return jax.tree.map(np.asarray, found)


def test_dominability_belongs_to_the_sources_with_data():
    _, has_data = scene(ODD)
    rd = jax.nn.softmax(jax.random.normal(jax.random.key(0), has_data.shape), axis=0)
    masked = np.asarray(jax.jit(mask_dominability)(rd, has_data))
    np.testing.assert_allclose(masked.sum(axis=0), 1, atol=1e-6)
    some, every = has_data.any(axis=0), has_data.all(axis=0)
    assert not masked[~has_data & some].any()
    kept = np.asarray(rd * has_data)[:, some]
    np.testing.assert_allclose(masked[:, some], kept / kept.sum(axis=0), atol=1e-6)
    stays = every | ~some
    np.testing.assert_array_equal(masked[:, stays], rd[:, stays])


def test_sources_with_data_of_no_dominability_share_it():
    rd = jnp.array([1.0, 0, 0]).reshape(3, 1, 1)
    masked = mask_dominability(rd, jnp.array([False, True, True]).reshape(3, 1, 1))
    np.testing.assert_array_equal(masked[:, 0, 0], [0, 0.5, 0.5])


@pytest.mark.parametrize("normalization", ["softmax", "none"])
def test_weights_keep_their_mean_and_are_even_where_one_source_has_data(normalization):
    _, has_data = scene(ODD, 3)
    has_data[2, :, 5:] = False
    settings = SETTINGS.replace(normalization=normalization)
    losses = np.random.default_rng(0).random(has_data.shape, np.float32)
    weigh = jax.jit(weigh_losses, static_argnums=1)
    (rd, weights), (_, plain) = weigh(losses, settings, has_data), weigh(losses, settings)
    rd, weights, plain = map(np.asarray, (rd, weights, plain))
    mean = np.broadcast_to(plain.mean(axis=0), plain.shape)
    np.testing.assert_allclose(weights.mean(axis=0), mean[0], atol=1e-6)
    alone, every = has_data.sum(axis=0) == 1, has_data.all(axis=0)
    np.testing.assert_allclose(weights[:, alone], mean[:, alone], atol=1e-6)
    np.testing.assert_array_equal(weights[:, every], plain[:, every])
    two = ~has_data[0] & has_data[1] & has_data[2]
    np.testing.assert_allclose((weights[1] * rd[2])[two], (weights[2] * rd[1])[two], atol=1e-6)
    assert min(alone.sum(), every.sum(), two.sum()) > 0


class Pointwise(Blend):
    """A network of single pixels, whose residual is the first source."""

    def __init__(self, merge=None):
        self.merge = merge or super().merge

    def decode(self, latent, x):
        return (latent + (0 if x is None else x[0])) / 2

    def solo(self, x, features):
        return features / 2

    def finish(self, raw):
        return raw


@pytest.mark.parametrize("fuse", [ttd_jax.dynamic_fuse, ttd_jax.static_fuse])
def test_what_a_source_holds_where_it_has_no_data_is_not_seen(fuse):
    sources, has_data = scene(EVEN, 3)
    other = np.where(has_data[..., None], sources, 1 - sources)
    found = [fused(fuse, bound(), held, has_data=has_data) for held in (sources, other)]
    chex.assert_trees_all_equal(*found)


@pytest.mark.parametrize("fuse", [ttd_jax.dynamic_fuse, ttd_jax.static_fuse])
@pytest.mark.parametrize("operator", [jnp.sum, jnp.max, jnp.prod])
def test_a_source_that_has_data_alone_is_fused_with_itself(operator, fuse):
    sources, has_data = scene((4 + REACH + ODD[0], ODD[1] + REACH + 5))
    has_data[0, : 4 + REACH] = has_data[1, :, -5 - REACH :] = False
    network = Pointwise(lambda features, weights: operator(weights[..., None] * features, axis=0))
    image = fused(fuse, network, sources, has_data=has_data).image
    beyond = np.s_[:4, : ODD[1]], np.s_[-ODD[0] :, -5:]  # of the first source's data, the second's
    for index, alone in enumerate(reversed(beyond)):
        assert (has_data[index] & ~has_data[1 - index])[alone].all()
        expected = fused(ttd_jax.static_fuse, network, np.stack([sources[index]] * 2)).image
        np.testing.assert_allclose(image[alone], expected[alone], atol=1e-6)


def test_where_data_end_there_is_no_step():
    sources = jnp.broadcast_to(jnp.array([0.8, 0.2, 0.4]).reshape(3, 1, 1, 1), (3, 9, 40, 2))
    has_data = np.ones((3, 9, 40), bool)
    has_data[0, :, :20] = False
    filled = np.asarray(jax.jit(fill_in)(sources, has_data))
    np.testing.assert_array_equal(filled[1:], sources[1:])
    row = filled[0, 4, :, 0]
    np.testing.assert_allclose(row[20:], 0.8)
    np.testing.assert_allclose(row[: 20 - REACH], 0.3, atol=1e-6)  # the mean of the others
    assert row[19] == pytest.approx(0.8, abs=1e-5)
    assert np.diff(row).min() > -1e-6
    assert np.diff(row).max() < 0.25 * (0.8 - 0.3)
    assert np.ptp(filled[0], axis=(0, 2)).max() < 0.01  # whatever row or channel it is


@pytest.mark.parametrize(
    ("fuse", "size"), [(ttd_jax.dynamic_fuse, EVEN), (ttd_jax.static_fuse, ODD)]
)
def test_a_mask_changes_nothing_where_all_have_data(fuse, size):
    model, (sources, has_data) = bound(), scene(size)
    plain = fused(fuse, model, sources)
    everywhere = fused(fuse, model, sources, has_data=np.ones_like(has_data))
    chex.assert_trees_all_equal(everywhere, plain)
    masked = fused(fuse, model, sources, has_data=has_data)
    inner = np.s_[4 + SEES :, : -5 - SEES]
    np.testing.assert_allclose(masked.image[inner], plain.image[inner], atol=1e-6)
    assert np.abs(masked.image - plain.image).max() > 0.01


def test_a_static_fusion_weighs_as_equal_losses_do():
    model, (sources, has_data) = bound(), scene(ODD, 3)
    static = fused(ttd_jax.static_fuse, model, sources, has_data=has_data)
    options = {"losses": np.ones(has_data.shape, np.float32), "has_data": has_data}
    equal = fused(ttd_jax.dynamic_fuse, model, sources, **options)
    np.testing.assert_allclose(static.image, equal.image, atol=1e-6)
    np.testing.assert_allclose(static.dominability, equal.dominability, atol=1e-6)
    shares = np.unique(static.dominability[2])
    np.testing.assert_allclose(shares, [1 / 3, 1 / 2, 1], atol=1e-6)


def test_scenes_with_masks_are_batched_and_compiled():
    model = bound()
    scenes = [scene(ODD, seed=n) for n in (0, 1)]
    sources, masks = (np.stack(arrays) for arrays in zip(*scenes, strict=True))
    masks[1] = True
    one = lambda scene, mask: fusion.fuse(model, scene, model.settings, has_data=mask)  # noqa: E731
    batched, alone = jax.jit(jax.vmap(one))(sources, masks), jax.jit(one)
    for index in range(2):
        own = jax.tree.map(lambda leaf, index=index: leaf[index], batched)
        chex.assert_trees_all_close(own, alone(sources[index], masks[index]), atol=1e-6)


@pytest.mark.parametrize("make", [lambda m: m[0], lambda m: jnp.float32(m), lambda m: 1])
def test_a_mask_that_is_none_is_refused_in_a_line(make):
    sources, has_data = scene(EVEN)
    with pytest.raises(ttd_jax.UserError, match=r"has_data is .*: pass bool\[2, 12, 18\]"):
        ttd_jax.dynamic_fuse(bound(), sources, has_data=make(has_data))


def test_a_network_that_cannot_weigh_its_sources_is_shown_those_that_have_data():
    sources, has_data = scene(EVEN)
    model, fuse = random_model("mufusion_tno"), jax.jit(ttd_jax.static_fuse)
    masked = fuse(model, sources, has_data=has_data)
    own = has_data | ~has_data.any(axis=0)
    shown = fuse(model, fill_in(sources, has_data), has_data=np.ones_like(has_data))
    np.testing.assert_allclose(masked.image, shown.image, atol=1e-5)
    np.testing.assert_array_equal(masked.dominability[0], np.where(own.all(0), 0.5, has_data[0]))


@pytest.mark.parametrize("first", [1, 3])
def test_chroma_is_that_of_sources_with_data(first):
    rng = np.random.default_rng(0)
    pictures = [0.4 + 0.2 * rng.random((*ODD, c), np.float32) for c in (first, 3)]
    has_data = np.ones((2, *ODD), bool)
    has_data[1, :4] = False
    fuse = functools.partial(ttd_jax.static_fuse, Pointwise(), has_data=has_data)
    options = {"mode": "luma", "channels": 1, "has_data": has_data}
    fusion = jax.jit(lambda pictures: color.fuse_in_color(fuse, pictures, **options))(pictures)
    _, chroma = color.rgb_to_ycbcr(fusion.image)
    own = [color.rgb_to_ycbcr(p)[1] for p in pictures if p.shape[-1] == 3]
    alone = own[0] if first == 3 else jnp.full((*ODD, 2), 0.5)  # where the last one has no data
    np.testing.assert_allclose(chroma[:4], alone[:4], atol=1e-5)
    np.testing.assert_allclose(chroma[4:], color.merge_chroma(jnp.stack(own))[4:], atol=1e-5)
