"""Damage to a region: what a severity does, and what it leaves alone."""

import jax
import numpy as np
import pytest

from ttd_jax.analysis.corruptions import CORRUPTIONS, central_region, damage
from ttd_jax.parts.part import WHOLE

SHAPES = ((20, 24, 3), (21, 25, 1))


def _picture(shape):
    return jax.random.uniform(jax.random.key(1), shape, minval=0.1, maxval=0.9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_damage_stays_inside_its_region_and_range(name, shape):
    image, region = _picture(shape), central_region(*shape[:2])
    damaged = damage(image, region, name, 0.7, jax.random.key(0))
    assert damaged.shape == image.shape
    assert np.array_equal(
        np.where(region[..., None], 0, image), np.where(region[..., None], 0, damaged)
    )
    assert np.abs(np.asarray(damaged - image))[np.asarray(region)].max() > 0.05
    assert damaged.min() >= 0
    assert damaged.max() <= 1


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severity_zero_changes_nothing(name):
    image = _picture(SHAPES[1])
    same = CORRUPTIONS[name](image, 0.0, jax.random.key(0), WHOLE)
    np.testing.assert_allclose(same, image, atol=1e-6)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_damage_grows_with_severity(name):
    image, key = _picture((32, 32, 1)), jax.random.key(0)
    errors = [
        float(abs(CORRUPTIONS[name](image, s, key, WHOLE) - image).mean()) for s in (0.25, 0.5, 1.0)
    ]
    assert errors == sorted(errors)
    assert len(set(errors)) == 3


def test_masks_are_nested_and_end_black():
    image, key = _picture((20, 20, 1)), jax.random.key(3)
    black = [np.asarray(CORRUPTIONS["mask"](image, s, key, WHOLE) == 0) for s in (0.25, 0.5, 1.0)]
    assert (black[0] <= black[1]).all()
    assert abs(black[1].mean() - 0.5) < 0.1
    assert black[2].all()


def test_region_is_a_quarter_of_even_and_odd_pictures():
    assert central_region(8, 12).sum() == 4 * 6
    assert central_region(9, 13).sum() == 5 * 7
