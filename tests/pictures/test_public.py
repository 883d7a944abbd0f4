"""Openly licensed pictures are there without a download, with their credits."""

import numpy as np
import pytest

from ttd_jax.pictures.images import decode_picture
from ttd_jax.pictures.public import HELD_BACK, PICTURES, TRAINING, PublicExamples, public_picture


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_rgb_in_range_with_a_credit(name):
    picture = public_picture(name, longest=160)
    assert picture.dtype == np.float32
    assert max(picture.shape[:2]) == 160
    assert picture.shape[2] == 3
    assert 0 <= picture.min() < picture.max() <= 1
    assert PICTURES[name].credit


def test_every_picture_either_trains_or_is_held_back():
    assert sorted((*TRAINING, *HELD_BACK)) == sorted(PICTURES)
    assert len(HELD_BACK) == 4


def test_examples_hold_the_same_pixels():
    (example,) = PublicExamples(("chelsea",))
    decoded = decode_picture(example.files[0], example.name).as_float()
    np.testing.assert_allclose(decoded, public_picture("chelsea"), atol=0.5 / 255)
