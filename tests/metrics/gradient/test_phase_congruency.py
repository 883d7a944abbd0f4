import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.metrics.pictures import SHAPE, draw
from ttd_jax.benchmarks import references
from ttd_jax.metrics.gradient.congruency_preservation import phase_congruency_preservation
from ttd_jax.metrics.order import median
from ttd_jax.metrics.region import Region

pytestmark = pytest.mark.usefixtures("quick_compilation")


@functools.cache
def compiled(low_pass):
    return jax.jit(
        lambda f, s, extent, mask: phase_congruency_preservation(
            f, s, low_pass=low_pass, extent=extent, mask=mask
        )
    )


def true(low_pass, fused, sources):
    metric = functools.partial(phase_congruency_preservation, low_pass=low_pass)
    return references.definition(metric)(fused, list(sources))


def test_a_part_has_the_figure_of_the_cut_picture():
    for height, width in (SHAPE, (47, 55), (33, 40), (1, 9)):
        fused, sources = draw(height, width, seed=height)
        around = np.full(SHAPE, np.nan, np.float32), np.full((2, *SHAPE), 1e6, np.float32)
        around[0][:height, :width], around[1][:, :height, :width] = fused, sources
        figure = compiled("shifted")(*around, jnp.asarray([height, width]), None)
        assert float(figure) == pytest.approx(true("shifted", fused, sources), rel=5e-6)


def test_a_mask_judges_its_pixels_of_the_whole_picture():
    fused, sources = draw()
    left = np.arange(SHAPE[1])[None] < 28 + 0 * np.arange(SHAPE[0])[:, None]
    masks = (np.ones(SHAPE, bool), left, ~left, np.zeros(SHAPE, bool))
    whole, *parts, nothing = (
        float(compiled("centered")(fused, sources, None, mask)) for mask in masks
    )
    assert whole == pytest.approx(true("centered", fused, sources), rel=1e-5)
    assert min(parts) < whole < max(parts)
    assert np.isnan(nothing)


def test_any_number_of_sources():
    fused, sources = draw(seed=4, count=3)
    for given in (sources, sources[:1]):
        figure = compiled("centered")(fused, given, None, None)
        assert float(figure) == pytest.approx(true("centered", fused, given), rel=1e-5)


def test_a_constant_picture_has_no_features():
    fused, sources = draw()
    sources[0] = 128
    figure = compiled("centered")(fused, sources, None, None)
    assert float(figure) == pytest.approx(true("centered", fused, sources), rel=1e-5)
    sources[1] = 50
    assert np.isnan(compiled("centered")(fused, sources, None, None))


def test_derivatives_are_finite():
    fused, sources = map(jnp.float32, draw())
    rng = np.random.default_rng(0)
    fused += rng.uniform(0.1, 0.4, SHAPE)
    sources = sources.at[0].set(128)  # amplitudes are 0

    @jax.jit
    def derivative(fused, sources, *along):
        return jax.jvp(phase_congruency_preservation, (fused, sources), along)[1]

    along = rng.normal(size=(3, *SHAPE)).astype(np.float32)
    found = float(derivative(fused, sources, along[0], along[1:]))
    assert np.isfinite(found)
    assert found


@pytest.mark.parametrize("sides", [None, (3, 4), (3, 5), (1, 1)])
def test_median_is_that_of_a_sort(sides):
    rng = np.random.default_rng(1)
    images = np.stack([rng.exponential(1e-9, (4, 6)), rng.integers(0, 3, (4, 6))])
    images = images.astype(np.float32)
    extent = None if sides is None else jnp.asarray(sides)
    found = jax.jit(lambda images, extent: median(images, Region.of(images, extent)))(
        images, extent
    )
    height, width = sides or (4, 6)
    np.testing.assert_array_equal(found, np.median(images[:, :height, :width], axis=(1, 2)))
