"""Definitions of structure and perception beyond SSIM and VIF: sources, parts, flat areas."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.metrics import pictures
from ttd_jax.benchmarks.references import definition
from ttd_jax.benchmarks.references.structure.mef_ssim import halved as reference_halved
from ttd_jax.errors import UserError
from ttd_jax.metrics import windows
from ttd_jax.metrics.filters import gaussian, uniform
from ttd_jax.metrics.perception.viff import fusion_information_fidelity
from ttd_jax.metrics.region import Region
from ttd_jax.metrics.structure.cvejic import cvejic_quality
from ttd_jax.metrics.structure.mef_ssim import multi_exposure_similarity
from ttd_jax.metrics.structure.ms_ssim import halved, multiscale_similarity
from ttd_jax.metrics.structure.wavelet_quality import wavelet_quality
from ttd_jax.metrics.structure.weighted_quality import (
    average_quality,
    edge_dependent_quality,
    weighted_quality,
)
from ttd_jax.metrics.structure.yang import yang_quality

pytestmark = pytest.mark.usefixtures("quick_compilation")

SMALL = {"window": "gaussian 3/1.5"}  # what a window is made of is not its size's
DEFINITIONS = (
    average_quality,
    edge_dependent_quality,
    functools.partial(weighted_quality, of="edges", **SMALL),
    yang_quality,
    functools.partial(yang_quality, black="skip", **SMALL),
    cvejic_quality,
    functools.partial(cvejic_quality, outside="decide", **SMALL),
    wavelet_quality,
)
COSTLY = (multi_exposure_similarity, multiscale_similarity, fusion_information_fidelity)
SHAPE = (29, 32)
SIZES = [SHAPE, (28, 31), (12, 9), (7, 30), (2, 32), (1, 1)]


@functools.cache
def program():
    """The cheap ones, of a batch."""

    def every(fused, sources, extent, mask):
        return [one(fused, sources, extent=extent, mask=mask) for one in DEFINITIONS]

    return jax.jit(jax.vmap(every))


def draw(size=SHAPE, count=3, seed=1):
    """A scene of flat, striped and noisy parts whose fused image has noise of its own."""
    fused, sources = pictures.draw(*size, count=count, seed=seed)
    noise = np.random.default_rng(seed).integers(-20, 21, size) * (fused > 80)
    return np.clip(fused + noise, 0, 255), sources


def within(scenes, shape):
    """Scenes in the corner of arrays of anything: fused, sources and extents."""
    images = np.random.default_rng(0).normal(0, 1e6, (len(scenes), len(scenes[0][1]) + 1, *shape))
    images[:, :, ::5, ::5] = np.nan
    for index, (fused, sources) in enumerate(scenes):
        images[index, :, : fused.shape[0], : fused.shape[1]] = [fused, *sources]
    images = images.astype(np.float32)
    return images[:, 0], images[:, 1:], np.array([fused.shape for fused, _ in scenes])


def figures(scenes, masks=()):
    """Of up to eight scenes: f32[8, definitions]."""
    scenes = [*scenes, *[scenes[0]] * (8 - len(scenes))]
    judged = np.ones((8, *SHAPE), bool)
    judged[: len(masks)] = masks or True
    return np.stack(program()(*within(scenes, SHAPE), judged), axis=1)


def test_parts_are_those_of_the_definitions():
    scenes = [draw(size, seed=size[1]) for size in SIZES]
    white, black = np.full(SHAPE, 255.0), np.zeros(SHAPE)
    scenes += [(white, scenes[0][1]), (scenes[0][0], [white, black, black])]
    for scene, found in zip(scenes, figures(scenes), strict=True):
        for one, figure in zip(DEFINITIONS, found, strict=True):
            true = definition(one)(*scene)
            assert figure == pytest.approx(true, rel=2e-5, abs=1e-6, nan_ok=True), (one, scene)


def test_one_source_is_that_of_the_definitions():
    fused, sources = draw(count=1)
    every = jax.jit(lambda *scene: [one(*scene) for one in DEFINITIONS])
    for one, figure in zip(DEFINITIONS, every(fused, sources), strict=True):
        assert figure == pytest.approx(definition(one)(fused, sources), rel=2e-5), one


def test_masks_judge_windows_by_their_middle():
    fused, sources = draw()
    mask = np.arange(SHAPE[1]) < np.full((SHAPE[0], 1), 16)
    scenes = [(fused, sources)]
    for changed in (np.s_[:, 21:], np.s_[:, 15:17]):
        images = np.stack([fused, *sources])
        images[:, *changed] = 255 - images[:, *changed]
        scenes.append((images[0], list(images[1:])))
    found = figures(scenes, [mask] * 3)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
    assert (found[0] != found[2]).all()
    parts = figures([(fused, sources)] * 2, [mask, ~mask])
    mean = DEFINITIONS.index(average_quality)  # of 22 x 25 windows, whose middle is the fifth pixel
    shares = np.array([12, 13]) / 25
    assert parts[:2, mean] @ shares == pytest.approx(parts[2, mean], rel=1e-5)


@pytest.mark.parametrize("one", COSTLY)
def test_those_of_several_scales_are_those_of_the_definitions(one):
    for size, count in (((61, 70), 3), ((20, 9), 1)):
        scene = draw(size, count)
        assert jax.jit(one)(*scene) == pytest.approx(definition(one)(*scene), rel=2e-5), (one, size)


def test_those_of_several_scales_take_extents_and_masks():
    scenes = [draw(size, 2, size[1]) for size in ((37, 41), (36, 42), (9, 14))]
    judged = np.ones((3, 40, 44), bool)
    every = jax.jit(jax.vmap(lambda f, s, e, m: multi_exposure_similarity(f, s, extent=e, mask=m)))
    found = every(*within(scenes, (40, 44)), judged)
    for scene, figure in zip(scenes, found, strict=True):
        assert figure == pytest.approx(definition(multi_exposure_similarity)(*scene), rel=2e-5)


@pytest.mark.parametrize("beside", ["edge", "black"])
def test_halves_of_a_part_are_those_of_its_own_arrays(beside):
    halves = jax.jit(jax.vmap(lambda f, s, e: halved(f, s, Region.of(f, e), beside=beside)[0]))
    scenes = [draw(size, 1) for size in ((9, 12), (8, 11), (5, 5), (1, 2), (9, 12), (2, 1))]
    arrays = within(scenes, (9, 12))
    arrays = [jnp.where(jnp.abs(x) < 256, x, 0) for x in arrays[:2]] + [arrays[2]]
    for scene, found in zip(scenes, halves(*arrays), strict=True):
        picture = scene[0]
        if beside == "black":
            picture = np.pad(picture, [(side % 2, 0) for side in picture.shape])
        true = reference_halved(picture)
        np.testing.assert_allclose(found[: true.shape[0], : true.shape[1]], true, rtol=1e-6)


@pytest.mark.parametrize("taps", [gaussian(7, 1.5), gaussian(17, 3.4), uniform(8), uniform(1)])
@pytest.mark.parametrize("gray", [0, 77, 255])
def test_statistics_of_flat_windows_are_exact_and_others_right(taps, gray):
    images = np.full((2, 24, 40), float(gray))
    images[0, :, 20:] = np.random.default_rng(0).integers(0, 256, (24, 20))
    images[1, 20:, 33:] = abs(gray - 1)  # alone in the corner of a window
    means, variances, covariances = jax.jit(lambda x: windows.statistics(x[0], x[1:], taps))(
        jnp.float32(images)
    )
    flat = np.s_[..., : 20 - len(taps) + 1]
    np.testing.assert_allclose(means[flat], gray, rtol=1e-6)
    assert not variances[flat].any()
    assert not covariances[flat].any()
    for image, found in zip(images, variances, strict=True):
        patches = np.lib.stride_tricks.sliding_window_view(image, (len(taps),) * 2)
        weights = np.outer(taps, taps)
        means = (patches * weights).sum(axis=(-2, -1), keepdims=True)
        true = (weights * (patches - means) ** 2).sum(axis=(-2, -1))
        np.testing.assert_allclose(found, true, rtol=2e-5, atol=1e-12)


def test_windows_are_named():
    fused, sources = draw()
    for window in ("box", "gaussian 7", "round 7/1", "gaussian a/b"):
        with pytest.raises(UserError, match=f"no window '{window}': 'gaussian 11/1.5' or 'box 8'"):
            average_quality(fused, sources, window=window)


def test_equal_images_have_the_highest_figure_and_black_windows_may_be_skipped():
    fused, _ = draw()
    black = np.zeros(SHAPE)
    scenes = [(fused, [fused] * 3), (black, [black] * 3)]
    equal, nothing = figures(scenes)[:2]
    most = [3 if one is wavelet_quality else 1 for one in DEFINITIONS]
    np.testing.assert_allclose(equal, most, rtol=1e-5)
    undefined = [
        "skip" in str(one) or "decide" in str(one) or one is wavelet_quality for one in DEFINITIONS
    ]
    np.testing.assert_array_equal(np.isnan(nothing), undefined)


def test_gradients_are_finite_in_flat_parts():
    fused, sources = draw()
    flat = np.full(SHAPE, 9.0)
    smooth = (average_quality, edge_dependent_quality, wavelet_quality)
    scenes = [(fused, sources), (sources[0], sources), (flat, [flat] * 3)]

    def total(fused, sources):
        found = jnp.stack([one(fused, sources) for one in smooth])
        return jnp.sum(jnp.where(jnp.isnan(found), 0.0, found))

    batch = (np.stack(part).astype(np.float32) for part in zip(*scenes, strict=True))
    assert np.isfinite(jax.jit(jax.vmap(jax.grad(total)))(*batch)).all()
