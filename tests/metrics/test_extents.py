"""Pictures in the corner of larger arrays, their sizes data: the figures of their own arrays."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.metrics import pictures
from tests.metrics.definitions import distinct
from ttd_jax import metrics
from ttd_jax.benchmarks import references as reference
from ttd_jax.errors import UserError

SHAPE = (96, 104)
# all of the arrays, less by 1, 7 and 64 pixels, and where windows shrink
SIZES = [SHAPE, (95, 103), (89, 97), (32, 40), (96, 40), (33, 103), (41, 42), (81, 30), (30, 30)]
SIZES += [(17, 90), (16, 17), (64, 11), (12, 12), (7, 103), (96, 5), (5, 8), (2, 101), (2, 2)]
SIZES += [(1, 104), (96, 1), (1, 1)]
# of the definitions in float64; what else there is sums up float32 only
FARTHEST = {"SSIM": 1e-5, "VIF": 1e-4, "CE": 3e-6}
PROTOCOLS = [protocol for protocol in metrics.PROTOCOLS if distinct(protocol)]
SMOOTH = ["SD", "AG", "EI", "SF", "SSIM", "MSE"]

pytestmark = pytest.mark.usefixtures("quick_compilation")


def within(scenes, shape=SHAPE):
    """Scenes in the corner of arrays of large numbers and NaN: fused, sources and extents."""
    rng = np.random.default_rng(0)
    count = len(scenes)
    fused, sources = (rng.normal(0, 1e6, (count, *m, *shape)).astype("f") for m in ((), (2,)))
    fused[:, ::9, ::9] = sources[:, :, ::7, ::7] = np.nan
    for index, scene in enumerate(scenes):
        height, width = scene[0].shape
        fused[index, :height, :width], sources[index, :, :height, :width] = scene
    return fused, sources, np.array([scene[0].shape for scene in scenes])


def noise(size):
    images = np.random.default_rng(size).integers(0, 256, (3, *size)).astype(float)
    return images[0], images[1:]


def cut(scene, size):
    _, fused, sources = scene
    top, left = ((side - part) // 2 for side, part in zip(fused.shape, size, strict=True))
    middle = np.s_[..., top : top + size[0], left : left + size[1]]
    return fused[middle], sources[middle]


@pytest.fixture(scope="module")
def together():
    """protocol -> all metrics of a batch, in one program: another trace is an error."""
    chex.clear_trace_counter()

    def evaluate(fused, sources, extent, protocol):
        names = distinct(protocol)
        return metrics.evaluate(fused, sources, protocol=protocol, names=names, extent=extent)

    traced = chex.assert_max_traces(evaluate, n=len(PROTOCOLS))
    programs = {p: functools.partial(traced, protocol=p) for p in PROTOCOLS}
    return {protocol: jax.jit(jax.vmap(program)) for protocol, program in programs.items()}


@pytest.mark.parametrize("kind", ["noise", "drawn", "real"])
def test_metrics_of_a_part_are_those_of_the_definitions(together, kind, request):
    if kind == "real":
        scenes = pictures.real_scenes(request.getfixturevalue("shared"))
        scenes = scenes[::-1] + scenes[::-1]  # the medical ones have flat parts
        scenes = [cut(scene, size) for scene, size in zip(scenes, SIZES, strict=False)]
    else:
        make = noise if kind == "noise" else lambda size: pictures.draw(*size, seed=size[1])
        scenes = [make(size) for size in SIZES]
    for protocol, evaluate in together.items():
        figures = evaluate(*within(scenes))
        for index, scene in enumerate(scenes):
            for name, true in reference.evaluate(*scene, protocol, distinct(protocol)).items():
                assert float(figures[name][index]) == pytest.approx(
                    true, rel=FARTHEST.get(name, 1e-6), abs=1e-6, nan_ok=True
                ), (name, protocol, SIZES[index])


@pytest.mark.parametrize("size", [(1, 40), (5, 8), (17, 30), (33, 20)])
def test_metrics_of_a_part_are_those_of_its_own_arrays(together, size):
    scene = pictures.draw(*size, seed=3)
    for protocol, evaluate in together.items():
        figures = evaluate(*within([scene] * len(SIZES)))
        exact = metrics.evaluate(*scene, protocol=protocol, names=distinct(protocol))
        for name, figure in exact.items():
            # sums of few rows are one after the other in XLA, and lose more
            assert figures[name][0] == pytest.approx(
                float(figure), rel=1e-5, abs=1e-6, nan_ok=True
            ), name


def test_gradients_of_a_part_are_those_of_its_own_arrays():
    fused, sources = map(jnp.float32, pictures.draw(12, 14))
    fused += np.random.default_rng(0).uniform(0.1, 0.4, fused.shape)  # off the kinks

    def total(fused, sources, **extent):
        return sum(metrics.METRICS[n].function(fused, sources, **extent) for n in SMOOTH)

    exact = jax.jit(jax.grad(total))(fused, sources)
    around = within([(fused, sources)], (19, 15))
    found = jax.jit(jax.vmap(lambda f, s, e: jax.grad(total)(f, s, extent=e)))(*around)[0]
    np.testing.assert_allclose(found[:12, :14], exact, rtol=1e-4, atol=1e-5)
    assert np.count_nonzero(found) == np.count_nonzero(found[:12, :14])


def test_extents_that_are_none_are_refused():
    grays = np.zeros((4, 6), np.float32)
    for extent in ((0, 6), (5, 6), [4, -1]):
        with pytest.raises(UserError, match=r"extent \[.*\] is no part of arrays of \[4, 6\]"):
            metrics.evaluate(grays, None, names=["SD"], extent=extent)
    for extent in ((4, 6, 1), 4, (4.0, 6.0)):
        with pytest.raises(UserError, match=r"extent is .*, not height and width i32\[2\]"):
            metrics.evaluate(grays, None, names=["SD"], extent=extent)


def test_fractions_within_an_extent_are_refused_whatever_lies_beyond():
    grays = np.full((4, 6), 200, np.float32)
    grays[:2, :2] = [[0.5, 0], [0, 1]]
    with pytest.raises(UserError, match=r"fused lies in \[0, 1\]"):
        metrics.evaluate(grays, None, names=["SD"], extent=(2, 2))
    assert metrics.evaluate(grays, None, names=["SD"], extent=(3, 2))["SD"] > 0


@pytest.mark.parametrize("color", [False, True])
def test_a_mask_is_of_the_picture_whatever_it_says_of_what_lies_beyond(color):
    rng = np.random.default_rng(0)
    fused = rng.integers(0, 256, (3, 12, 14) if color else (12, 14)).astype(np.float32)
    mask = rng.random((12, 14)) > 0.4
    options = {"protocol": "vifb", "names": ["SF", "EN"]}
    cut = metrics.evaluate(fused[..., :9, :11], None, mask=mask[:9, :11], **options)
    mask[9:] = mask[:, 11:] = True
    found = metrics.evaluate(fused, None, mask=mask, extent=(9, 11), **options)
    for name, figure in cut.items():
        assert found[name] == pytest.approx(float(figure), rel=1e-5), name
