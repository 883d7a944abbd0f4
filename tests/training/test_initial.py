"""An IFCNN that begins band by band fuses before it is trained."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from ttd_jax.networks import lookup
from ttd_jax.pictures.public import public_picture
from ttd_jax.pictures.synthetic import multi_focus_pair
from ttd_jax.training.initial import INITIAL


@functools.cache
def _model(name):
    row = lookup(name)
    module = row.build()
    variables = jax.jit(module.init)(jax.random.key(0), jnp.zeros(row.input_shape))
    return row.bind(INITIAL["bands"](variables, module))


def _psnr(image, truth):
    return -10 * np.log10(np.mean(np.square(np.asarray(image) - truth)))


@pytest.mark.parametrize("name", ["ifcnn_sum", "ifcnn_mean", "ifcnn_max"])
@pytest.mark.parametrize("size", [(40, 48), (41, 47)])
def test_two_equal_sources_come_out_nearly_as_they_are(name, size):
    picture = public_picture("coffee", longest=100)[: size[0], : size[1]]
    fused = ttd_jax.static_fuse(_model(name), jnp.stack([picture, picture])).image
    detail = 2.0 if name != "ifcnn_max" else 1.0  # sums double what both sources have
    smooth = _psnr(picture, picture.mean((0, 1)))
    assert _psnr(fused, picture) > smooth + (3 if detail > 1 else 20)


def test_it_beats_the_average_of_a_multi_focus_pair():
    truth = public_picture("astronaut", longest=128)
    pair = multi_focus_pair(truth, seed=1)
    fused = ttd_jax.static_fuse(_model("ifcnn_sum"), jnp.stack(pair)).image
    assert _psnr(fused, truth) > _psnr(np.mean(pair, axis=0), truth) + 3


def test_other_networks_cannot_begin_so():
    with pytest.raises(ValueError, match="IFCNN"):
        INITIAL["bands"]({}, lookup("piafusion").build())
