"""Arrays in memory as pictures."""

import numpy as np
import pytest

from ttd_jax.errors import UserError, check_list
from ttd_jax.pictures.arrays import as_pictures

GRAY = np.arange(48, dtype=np.uint8).reshape(6, 8)


def test_what_is_masked_is_refused_and_a_mask_of_nothing_is_none():
    with pytest.raises(UserError, match="picture 2 is masked"):
        as_pictures([GRAY, np.ma.masked_less(GRAY, 9)])
    (picture,) = as_pictures([np.ma.array(GRAY)])
    np.testing.assert_array_equal(picture.pixels[..., 0], GRAY)


@pytest.mark.parametrize(
    ("given", "told"),
    [(None, "is NoneType"), ("a.png", "is str"), (b"a", "is bytes"), ([[1, 2], [3]], "sequence")],
)
def test_what_is_no_array_is_named(given, told):
    with pytest.raises(UserError, match=f"picture 2.*{told}"):
        as_pictures([GRAY, given])


@pytest.mark.parametrize("given", [None, "ab", 3, {"a": GRAY}, map(np.asarray, [GRAY]), GRAY])
def test_what_is_no_list_of_pictures_is_named(given):
    with pytest.raises(UserError, match=r"^pictures is .*: pass a list of pictures"):
        check_list("pictures", given)
