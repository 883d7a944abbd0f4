"""Arrays that are no scene."""

import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from tests import small_networks as small
from ttd_jax.errors import UserError

PICTURE = np.zeros((12, 9, 3), np.uint8)


@pytest.mark.parametrize("array", [PICTURE, PICTURE[..., 0], jnp.asarray(PICTURE)])
def test_one_array_is_not_taken_apart_by_its_rows(array):
    with pytest.raises(UserError, match=r"pictures is one array of shape \(12, .*pass a list"):
        ttd_jax.fuse(small.bound(), array)
    with pytest.raises(UserError, match=r"sources is one array of shape \(12, .*pass a list"):
        ttd_jax.score(PICTURE, array)


def test_one_picture_is_not_fused():
    with pytest.raises(UserError, match="fusing needs two pictures or more of one scene, got 1"):
        ttd_jax.fuse(small.bound(), [PICTURE])


def test_a_loss_map_that_is_registered_again_is_the_new_one():
    pictures = [np.random.default_rng(m).integers(0, 256, (12, 9), np.uint8) for m in range(2)]
    model, found = small.bound(), []
    with small.registered():
        for factor in (1, 2):
            ttd_jax.register_loss("again", lambda c, s, static, y=factor: y * (c - s))
            found.append(ttd_jax.fuse(model, pictures, strategy="again").losses)
    np.testing.assert_allclose(found[1], 4 * found[0], rtol=1e-5)
