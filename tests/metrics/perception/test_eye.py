"""Qcb and Qcv: what the benchmarks' own programs do not show."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.metrics.pictures import SHAPE, draw
from ttd_jax.benchmarks import references
from ttd_jax.metrics.perception.chen_blum import contrast_preservation
from ttd_jax.metrics.perception.chen_varshney import perceived_difference

SMOOTH = functools.partial(contrast_preservation, stretch="exact", degrees=30.0, guard=1e-10)
METRICS = {"Qcb": contrast_preservation, "Qcv": perceived_difference, "smooth": SMOOTH}

pytestmark = pytest.mark.usefixtures("quick_compilation")


@functools.cache
def compiled(name):
    return jax.jit(lambda f, s, extent, mask: METRICS[name](f, s, extent=extent, mask=mask))


def true(name, fused, sources):
    return references.definition(METRICS[name])(fused, list(sources))


@pytest.mark.parametrize("name", METRICS)
def test_a_part_has_the_figure_of_the_cut_picture(name):
    for height, width in (SHAPE, (47, 55), (33, 40), (16, 17), (1, 9)):
        fused, sources = draw(height, width, seed=height)
        around = np.full(SHAPE, np.nan, np.float32), np.full((2, *SHAPE), 1e6, np.float32)
        around[0][:height, :width], around[1][:, :height, :width] = fused, sources
        figure = compiled(name)(*around, jnp.asarray([height, width]), None)
        assert float(figure) == pytest.approx(true(name, fused, sources), rel=2e-6)


@pytest.mark.parametrize("name", METRICS)
def test_a_mask_judges_its_pixels_of_the_whole_picture(name):
    fused, sources = draw()
    full = np.ones(SHAPE, bool)
    rows = np.repeat(np.arange(SHAPE[0]) < 16, SHAPE[1]).reshape(SHAPE)  # whole blocks
    whole, top, bottom = (
        float(compiled(name)(fused, sources, None, mask)) for mask in (full, rows, ~rows)
    )
    assert whole == pytest.approx(true(name, fused, sources), rel=1e-6)
    if name == "Qcv":  # weighted by edges
        assert min(top, bottom) < whole < max(top, bottom)
    else:
        assert whole == pytest.approx((top + 2 * bottom) / 3, rel=1e-5)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("count", [1, 3])
def test_any_number_of_sources(name, count):
    fused, sources = draw(seed=4, count=count)
    fused[5:9] = 200
    figure = compiled(name)(fused, sources, None, None)
    assert float(figure) == pytest.approx(true(name, fused, sources), rel=1e-6)


def test_best_figures_are_those_of_a_source_itself():
    _, sources = draw()
    twice = np.stack([sources[0], sources[0]])
    assert float(compiled("Qcb")(sources[0], twice, None, None)) == 1
    assert float(compiled("Qcv")(sources[0], twice, None, None)) == 0


def test_constant_pictures_are_undefined_but_black_ones_differ_visibly():
    fused, sources = draw()
    for name in METRICS:
        assert np.isnan(compiled(name)(np.full(SHAPE, 9.0), sources, None, None))
    black = np.zeros(SHAPE)
    assert np.isnan(compiled("Qcb")(black, sources, None, None))
    assert float(compiled("Qcv")(black, sources, None, None)) > 0
    assert np.isnan(compiled("Qcv")(fused, np.stack([black, black]), None, None))  # no edge


def test_flat_surfaces_and_black_ground_have_no_noise():
    rng = np.random.default_rng(0)
    fused, sources = np.full(SHAPE, 90.0), np.zeros((2, *SHAPE))
    fused[:, 30:] = sources[0, :, 30:] = rng.integers(0, 256, (SHAPE[0], 26))
    sources[0, :, :30], sources[1] = 90, rng.integers(0, 256, SHAPE)
    flat = np.arange(SHAPE[1])[None] < 2 + 0 * np.arange(SHAPE[0])[:, None]
    # the fused picture is the first source there and everywhere
    assert float(compiled("Qcb")(fused, sources[:1], None, flat)) == 1


def test_gradients_are_finite_and_lead_up():
    fused, sources = draw()
    fused = fused + np.random.default_rng(0).uniform(0.1, 0.4, SHAPE)
    value, slope = jax.jit(jax.value_and_grad(SMOOTH))(jnp.float32(fused), jnp.float32(sources))
    assert np.isfinite(slope).all()
    step = np.array(slope) * (1e-4 / np.sum(np.square(slope, dtype=np.float64)))
    better = true("smooth", fused + step, sources) - true("smooth", fused, sources)
    assert better == pytest.approx(1e-4, rel=0.2)
    assert 0 < value < 1
