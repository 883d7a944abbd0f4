"""FMI of every feature: any size, masks, and cases that can be told by hand."""

import functools

import jax
import numpy as np
import pytest

from tests.metrics import pictures
from ttd_jax import UserError
from ttd_jax.benchmarks.references.information import feature_mutual as reference
from ttd_jax.metrics.information.feature_mutual import feature_mutual_information

pytestmark = pytest.mark.usefixtures("quick_compilation")

FEATURES = ("edge", "none", "gradient", "dct", "wavelet")
PLACED = FEATURES[:3]  # whose places are pixels
SHAPE = (21, 24)
SIZES = [SHAPE, (20, 23), (3, 9), (2, 24), (1, 1)]


@functools.cache
def program():
    """Of a batch, every feature, and those that have places with a mask."""

    def every(fused, sources, extent, mask):
        one = functools.partial(feature_mutual_information, fused, sources, extent=extent)
        found = {feature: one(feature=feature) for feature in FEATURES}
        return found, {feature: one(feature=feature, mask=mask) for feature in PLACED}

    return jax.jit(jax.vmap(every))


def figures(scenes, masks=()):
    """Of up to seven scenes in the corner of arrays of anything."""
    images = np.full((7, 3, *SHAPE), np.nan, np.float32)
    sizes, judged = np.tile(SHAPE, (7, 1)), np.ones((7, *SHAPE), bool)
    images[len(scenes) :] = 0
    for index, (fused, sources) in enumerate(scenes):
        sizes[index] = fused.shape
        images[index, :, : fused.shape[0], : fused.shape[1]] = [fused, *sources]
    if masks:
        judged[: len(masks)] = masks
    return jax.tree.map(np.asarray, program()(images[:, 0], images[:, 1:], sizes, judged))


@pytest.fixture(scope="module")
def scenes():
    drawn = [pictures.draw(*size, seed=size[1]) for size in SIZES]
    _, sources = drawn[0]
    flat = np.full(SHAPE, 128.0)
    dark = np.where(np.arange(SHAPE[1]) < 12, sources, 0.0)
    return [*drawn, (flat, sources), (dark[0], [dark[0], dark[1]])]


def test_of_any_size_and_of_flat_parts_it_is_the_definition(scenes):
    found, masked = figures(scenes)
    for index, scene in enumerate(scenes):
        for feature in FEATURES:
            true = reference.feature_mutual_information(*scene, feature=feature)
            close = pytest.approx(true, rel=1e-5, abs=1e-7, nan_ok=True)
            assert found[feature][index] == close, (index, feature)
            if feature in PLACED:  # by a mask of everything
                assert masked[feature][index] == close, (index, feature)


def test_masks_split_the_mean_over_windows(scenes):
    mask = np.random.default_rng(0).random(SHAPE) < 0.3
    found, masked = figures([scenes[0]] * 3, [mask, ~mask, mask & False])
    share = np.mean(mask[1:-1, 1:-1])
    for feature in PLACED:
        inside, outside, nothing = masked[feature][:3]
        assert share * inside + (1 - share) * outside == pytest.approx(found[feature][0], rel=1e-5)
        assert np.isnan(nothing)


@pytest.mark.parametrize("feature", ["dct", "wavelet"])
def test_coefficients_have_no_places_to_mask(scenes, feature):
    mask = np.ones(SHAPE, bool)
    assert np.isnan(feature_mutual_information(*scenes[0], feature=feature, mask=mask))


@pytest.mark.parametrize("count", [1, 3])
def test_it_is_the_mean_over_any_number_of_sources(scenes, count):
    fused, sources = scenes[0]
    sources = [fused, *sources][:count]
    found = jax.jit(functools.partial(feature_mutual_information, feature="none"))
    true = reference.feature_mutual_information(fused, sources, feature="none")
    assert found(fused, np.stack(sources)) == pytest.approx(true, rel=1e-5)
    assert count != 1 or true == 1  # of a picture with itself


def test_it_has_no_gradient(scenes):
    found = jax.jit(jax.grad(functools.partial(feature_mutual_information, feature="none")))
    assert not np.any(found(*scenes[0]))


def test_an_unknown_feature_is_named(scenes):
    with pytest.raises(UserError, match="feature must be one of edge, none"):
        feature_mutual_information(*scenes[0], feature="pixels")
