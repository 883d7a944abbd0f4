"""Means over the pixels that count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttd_jax.core.means import masked_mean


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
@pytest.mark.parametrize("axis", [None, 0, -1, (1, 2), (0, 2, 3)])
@pytest.mark.parametrize("shape", [(5, 7, 1), (5, 1, 3), (2, 5, 7, 3), (3,)])
def test_masked_means_are_those_of_jax(shape, axis):
    rng = np.random.default_rng(0)
    x, where = rng.random((2, 5, 7, 3), np.float32), rng.random(shape) > 0.3
    for keepdims in (False, True):
        options = {"axis": axis, "keepdims": keepdims}
        expected = np.mean(x, where=np.broadcast_to(where, x.shape), **options)
        np.testing.assert_allclose(masked_mean(x, where, **options), expected, rtol=1e-6)
        np.testing.assert_array_equal(masked_mean(x, None, **options), jnp.mean(x, **options))


def test_no_pixel_has_no_mean():
    assert np.isnan(masked_mean(jnp.ones((2, 3)), np.zeros(3, bool)))


def test_a_masked_mean_is_the_same_each_time():
    """On a busy machine `jnp.mean` with `where` is not: some pixels are counted twice."""
    x, where = np.ones((2, 256, 384), np.float32), np.ones((256, 384), bool)
    mean = jax.jit(masked_mean)
    assert {float(mean(x, where)) for _ in range(300)} == {1.0}
