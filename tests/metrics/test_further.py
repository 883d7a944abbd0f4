"""Definitions beyond the fifteen metrics that papers report most: any number of sources, parts."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.metrics import pictures
from ttd_jax.benchmarks.references import definition
from ttd_jax.metrics.gradient.artifacts import added_artifacts
from ttd_jax.metrics.gradient.edge_preservation import edge_preservation, mean_edge_preservation
from ttd_jax.metrics.gradient.extended_frequency import spatial_frequency_error
from ttd_jax.metrics.information.joint import stretched_levels
from ttd_jax.metrics.information.nonlinear_correlation import (
    correlation_entropy,
    nonlinear_correlation_entropy,
)
from ttd_jax.metrics.information.tsallis import tsallis_information
from ttd_jax.metrics.likeness.error import root_mean_squared_error
from ttd_jax.metrics.region import Region

pytestmark = pytest.mark.usefixtures("quick_compilation")

# Those that look at pixels one by one, and those that look at their neighbors.
ALONE = (
    nonlinear_correlation_entropy,
    correlation_entropy,
    tsallis_information,
    functools.partial(tsallis_information, order=0.43137, normalized=True),
    root_mean_squared_error,
    functools.partial(root_mean_squared_error, error="norm"),
)
BESIDE = (
    added_artifacts,
    functools.partial(added_artifacts, weak=0.0),
    functools.partial(edge_preservation, border="constant", angles="atan"),
    mean_edge_preservation,
    spatial_frequency_error,
)
STRETCHED = (
    functools.partial(nonlinear_correlation_entropy, stretch=True),
    functools.partial(tsallis_information, marginals="swapped"),
)
SHAPE = (21, 24)
SIZES = [SHAPE, (20, 23), (12, 9), (2, 24), (1, 1)]


@functools.cache
def program():
    """All of them, of a batch."""

    def every(fused, sources, extent, mask):
        definitions = (*ALONE, *STRETCHED, *BESIDE)
        return [one(fused, sources, extent=extent, mask=mask) for one in definitions]

    return jax.jit(jax.vmap(every))


def draw(size=SHAPE, count=3, seed=1):
    """A scene whose fused image has edges that no source has."""
    fused, sources = pictures.draw(*size, count=count, seed=seed)
    noise = np.random.default_rng(seed).integers(-40, 41, size)
    return np.clip(fused + noise, 0, 255), sources


def figures(scenes, masks=()):
    """Of up to seven scenes in the corner of arrays of anything: f32[7, definitions]."""
    shape = (7, len(scenes[0][1]) + 1, *SHAPE)
    images = np.random.default_rng(0).normal(0, 1e6, shape).astype(np.float32)
    images[:, :, ::5, ::5] = np.nan
    sizes, judged = np.tile(SHAPE, (7, 1)), np.ones((7, *SHAPE), bool)
    for index, (fused, sources) in enumerate(scenes):
        sizes[index] = fused.shape
        images[index, :, : fused.shape[0], : fused.shape[1]] = [fused, *sources]
    judged[: len(masks)] = masks or True
    return np.stack(program()(images[:, 0], images[:, 1:], sizes, judged), axis=1)


@pytest.mark.parametrize("count", [1, 3])
def test_parts_with_any_number_of_sources_are_those_of_the_definitions(count):
    scenes = [draw(size, count, size[1]) for size in SIZES]
    scenes += [(np.full(SHAPE, 9.0), scenes[0][1]), (scenes[0][0], [np.zeros(SHAPE)] * count)]
    for scene, found in zip(scenes, figures(scenes), strict=True):
        for one, figure in zip((*ALONE, *STRETCHED, *BESIDE), found, strict=True):
            true = definition(one)(*scene)
            assert figure == pytest.approx(true, rel=1e-5, abs=1e-6, nan_ok=True), (one, scene)


def test_of_masked_pixels_alone_nothing_else_counts():
    fused, sources = draw()
    mask = np.random.default_rng(2).random(SHAPE) < 0.4
    alone = fused[mask][None], [source[mask][None] for source in sources]
    for one, figure in zip(ALONE, figures([(fused, sources)], [mask])[0], strict=False):
        assert figure == pytest.approx(definition(one)(*alone), rel=1e-5), one


def test_masks_judge_where_edges_are_which_the_whole_picture_makes():
    fused, sources = draw()
    mask = np.arange(SHAPE[1]) < np.full((SHAPE[0], 1), 12)
    scenes = [(fused, sources)]
    for changed in (np.s_[:, 13:], np.s_[:, 12]):
        images = np.stack([fused, *sources])
        images[:, *changed] = 255 - images[:, *changed]
        scenes.append((images[0], list(images[1:])))
    found = figures(scenes, [mask] * 3)[:, -len(BESIDE) :]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).all()


def test_stretching_is_exact():
    low, high = np.triu_indices(256, 1)
    extremes = np.stack([low, high], axis=1).astype(np.float32)
    images = np.concatenate([[[0, 0], [7, 7]], extremes])[:, None]
    levels, undefined = jax.jit(lambda x: stretched_levels(x, Region((1, 2))))(images)
    grays, span = np.arange(256), (high - low)[:, None]
    true = (510 * (grays - low[:, None]) + span) // (2 * span)
    within = (grays >= low[:, None]) & (grays <= high[:, None])
    np.testing.assert_array_equal(levels[0], grays)
    np.testing.assert_array_equal(np.where(within, levels[2:], 0), np.where(within, true, 0))
    assert np.flatnonzero(undefined) == [1]


def test_edges_have_their_angles():
    y, x = np.mgrid[:9, :9].astype(np.float32)
    fused, sources = np.stack([x, x, x + y]), np.stack([255 - x, y, 20 + x - y])[:, None]
    inner = np.pad(np.ones((7, 7), bool), 1)
    preserved = jax.jit(jax.vmap(functools.partial(edge_preservation, mask=inner)))
    parallel = np.array([1, 0, 0])
    kept = 0.9994 / (1 + np.exp(-7.5)) * 0.9879 / (1 + np.exp(-22 * (parallel - 0.8)))
    np.testing.assert_allclose(preserved(fused, sources), kept, rtol=1e-5)


def test_gradients_are_finite_where_there_are_no_edges():
    fused, sources = draw()
    flat = np.full(SHAPE, 9.0)
    scenes = [(fused, sources), (sources[0], sources), (flat, [flat] * 3)]
    smooth = root_mean_squared_error, added_artifacts, mean_edge_preservation, BESIDE[-1]

    def total(fused, sources):
        found = jnp.stack([one(fused, sources) for one in smooth])
        return jnp.sum(jnp.where(jnp.isnan(found), 0.0, found))

    batch = (np.stack(part).astype(np.float32) for part in zip(*scenes, strict=True))
    assert np.isfinite(jax.jit(jax.vmap(jax.grad(total)))(*batch)).all()
