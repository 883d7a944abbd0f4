"""What lies beside a picture, wherever it lies in an array: as `numpy.pad` has it."""

import functools
import itertools

import jax
import numpy as np
import pytest

from ttd_jax.parts.border import fill_border, gather_border, inside, pad_border

ARRAY = (9, 8)  # of which a picture takes any part


@functools.partial(jax.jit, static_argnames=("mode", "margin"))
def fill(x, mode, start, stop, margin=1):
    """By copies and by a gather."""
    copied = fill_border(x, mode, start, stop, margin=margin)
    return copied, gather_border(x, mode, start, stop)


def spans(side, margin):
    """Where a picture may begin and end along a side with so many pixels around it."""
    return [(a, b) for a in range(margin, side) for b in range(a + 1, side - margin + 1)]


@functools.cache
def noise(seed=0):
    return np.random.default_rng(seed).standard_normal((*ARRAY, 2), np.float32)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
@pytest.mark.parametrize("margin", [1, 3])
def test_every_place_and_extent_of_a_picture(mode, margin):
    x = noise()
    for rows, columns in itertools.product(*(spans(side, margin) for side in ARRAY)):
        start, stop = zip(rows, columns, strict=True)
        picture = x[rows[0] : rows[1], columns[0] : columns[1]]
        around = [(margin, margin)] * 2 + [(0, 0)]
        ring = tuple(slice(a - margin, b + margin) for a, b in (rows, columns))
        for found in fill(x, mode=mode, start=start, stop=stop, margin=margin):
            np.testing.assert_array_equal(found[ring], np.pad(picture, around, mode=mode))


@pytest.mark.parametrize("mode", ["edge", "reflect"])
def test_borders_that_an_array_does_not_hold_change_nothing(mode):
    """Far tiles: begins long before the array, and ends at its last row or long after it."""
    x, side = noise(), ARRAY[0]
    for first, last in itertools.product((-60, -17, -10, -9, -8, -2), (side, 30, 200)):
        for found in fill(x, mode=mode, start=(first, -5), stop=(last, 90)):
            np.testing.assert_array_equal(found, x)
    for found in fill(x, mode="edge", start=(-60, -5), stop=(side - 1, 90)):
        np.testing.assert_array_equal(found[:-1], x[:-1])
        np.testing.assert_array_equal(found[-1], x[-2])


def test_which_pixels_lie_inside():
    found = inside(ARRAY, (2, -3), (5, 4))[..., 0]
    expected = np.zeros(ARRAY, bool)
    expected[2:5, :4] = True
    np.testing.assert_array_equal(found, expected)


def test_a_whole_picture_is_padded_in_its_last_axes_but_one():
    x = noise()[None]
    assert pad_border(x, mode="edge", margin=2).shape == (1, ARRAY[0] + 4, ARRAY[1] + 4, 2)
