"""Both ways of counting grays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttd_jax.metrics import histogram
from ttd_jax.metrics.region import Region


@pytest.mark.parametrize("size", [1, 255, (1 << 14), (1 << 14) + 1, 40000])
@pytest.mark.parametrize("columns", [1, histogram.LEVELS])
def test_matrix_product_counts_like_scatter_and_numpy(size, columns):
    rng = np.random.default_rng(size)
    rows = rng.integers(0, 257, size).astype(np.int32)  # of which the last is none
    columns_of = rng.integers(0, columns, size).astype(np.int32)
    expected = np.zeros((257, columns), int)
    np.add.at(expected, (rows, columns_of), 1)
    for count in (histogram.count_by_matmul, histogram.count_by_scatter):
        counts = count(jnp.asarray(rows), jnp.asarray(columns_of), columns=columns)
        np.testing.assert_array_equal(counts, expected[:256])


def test_a_tpu_multiplies_and_a_cpu_scatters():
    images = jnp.zeros((2, 8, 8))
    traced = jax.jit(lambda x: histogram.joint_histogram(*x, Region.of(x))).trace(images)
    programs = {p: traced.lower(lowering_platforms=(p,)).as_text() for p in ("tpu", "cpu")}
    assert "dot_general" in programs["tpu"]
    assert "scatter" not in programs["tpu"]
    assert "scatter" in programs["cpu"]
    assert "dot_general" not in programs["cpu"]


def test_joint_histogram_has_the_first_image_in_its_rows():
    images = jnp.array([[[1.0, 1.0]], [[2.0, 3.0]]])
    joint = histogram.joint_histogram(*images, Region.of(images))
    assert joint[1, 2] == joint[1, 3] == 0.5
    assert jnp.sum(joint) == 1


def test_fractions_count_for_the_nearest_gray_and_outliers_for_the_ends():
    image = jnp.array([[-3.0, 0.4, 1.5, 254.6, 300.0]])
    counts = 5 * histogram.histogram(image, Region.of(image))
    np.testing.assert_allclose(counts[jnp.array([0, 2, 255])], [2, 1, 2], rtol=1e-6)
