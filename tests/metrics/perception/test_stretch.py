import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttd_jax.benchmarks.references.perception import stretch as reference
from ttd_jax.metrics.perception.stretch import stretched
from ttd_jax.metrics.region import Region

# spans with many halves, with few, with none
LIMITS = [(0, 170), (85, 255), (3, 213), (7, 37), (100, 102), (11, 194), (0, 255), (40, 41)]


@pytest.mark.parametrize("how", ["rounded", "fractions", "exact"])
@pytest.mark.usefixtures("quick_compilation")
def test_every_gray_goes_where_float64_puts_it(how):
    grays = np.stack([np.clip(np.arange(256), *limits)[None] for limits in LIMITS])
    stretch = jax.jit(lambda images: stretched(images, Region.of(images), how))
    found, constant = stretch(jnp.asarray(grays, jnp.float32))
    scale = 255 if how == "exact" else 1
    expected = [scale * reference.stretched(picture, how) for picture in grays]
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-5 if how == "exact" else 0)
    assert not constant.any()


def test_halves_fall_otherwise_after_a_division():
    picture = np.clip(np.arange(256.0)[None], 85, 255)
    rounded, fractions = (reference.stretched(picture, how) for how in ("rounded", "fractions"))
    assert set(np.unique(rounded - fractions)) == {0, 1}


def test_a_constant_image_becomes_black_and_is_told():
    images = jnp.stack([jnp.full((2, 3), 7.0), jnp.zeros((2, 3)), jnp.eye(2, 3)])
    found, constant = jax.jit(lambda images: stretched(images, Region.of(images)))(images)
    assert constant.tolist() == [True, True, False]
    assert found.max(axis=(1, 2)).tolist() == [0, 0, 255]
