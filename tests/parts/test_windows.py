"""Cutting pictures in windows, and sweeping over them."""

import jax.numpy as jnp
import numpy as np
import pytest

from ttd_jax.parts.part import Part
from ttd_jax.parts.sweeps import Programs, Rehearsal, Sweeper, Work
from ttd_jax.parts.windows import cut


@pytest.mark.parametrize("halo", [0, 1, 4])
@pytest.mark.parametrize("rows", [9, 10, 23])
@pytest.mark.parametrize("height", [1, 9, 10, 11, 40, 41])
def test_windows_cover_a_picture_once_and_know_their_last_reader(height, rows, halo):
    windows = cut(height, rows, halo)
    assert [row for w in windows for row in range(w.first, w.last)] == list(range(height))
    last = {}
    for number, window in enumerate(windows):
        end = window.start + min(rows, height)
        assert 0 <= window.start <= max(window.first - halo, 0)
        assert min(window.last + halo, height) <= end <= height
        last |= dict.fromkeys(range(window.start, end), number)
    for window in windows:
        assert window.last_reader == max(last[row] for row in range(window.first, window.last))


def test_the_smallest_window_keeps_a_row_and_a_smaller_one_is_refused():
    assert len(cut(100, 9, 4)) == 92  # the first and the last keep five
    with pytest.raises(ValueError, match="keeps none"):
        cut(100, 8, 4)


def box_sum(constants, windows, owned):
    """The sum of 3x3 pixels, zeros around the picture; and the sum of all."""
    padded = jnp.pad(windows["x"], [(1, 1), (1, 1), (0, 0)])
    out = padded[:-2] + padded[1:-1] + padded[2:]
    out = constants * (out[:, :-2] + out[:, 1:-1] + out[:, 2:])
    return {"x": out}, jnp.sum(Part(owned=owned).own(out))


BOX_SUM = Work(box_sum, halo=1, sums=np.float32(0))


@pytest.mark.parametrize("rows", [3, 4, 7, 19, 30])
def test_a_sweep_in_place_is_that_of_the_whole_picture(rows):
    whole = np.random.default_rng(0).random((19, 5, 2)).astype(np.float32)
    (expected, total) = box_sum(0.5, {"x": whole}, None)
    x = whole.copy()
    half = np.float32(0.5)
    sums = Sweeper(Programs(), rows=rows).sweep(BOX_SUM, half, {"x": x}, {"x": x})
    np.testing.assert_allclose(x, expected["x"], atol=1e-6)
    np.testing.assert_allclose(sums, total, rtol=1e-6)


def test_a_halo_that_is_too_narrow_is_seen():
    x = np.ones((19, 5, 2), np.float32)
    out = np.empty_like(x)
    narrow = Work(box_sum, halo=0)
    Sweeper(Programs(), rows=7).sweep(narrow, np.float32(1), {"x": x}, {"x": out})
    assert out[9, 1:-1].min() == 9
    assert out[7].max() == 6


def test_integers_are_scaled_on_the_way_in_and_quantized_on_the_way_out():
    x = np.arange(256, dtype=np.uint8).reshape(32, 4, 2)
    out = np.empty_like(x)
    double = Work(lambda constants, windows, owned: ({"x": constants * windows["x"]}, ()), halo=0)
    Sweeper(Programs(), rows=7).sweep(double, np.float32(2), {"x": x}, {"x": out})
    np.testing.assert_array_equal(out, np.minimum(2 * x.astype(int), 255))


def test_all_strips_share_one_program():
    programs = Programs()
    x = np.ones((19, 5, 2), np.float32)
    Sweeper(programs, rows=7).sweep(BOX_SUM, np.float32(1), {"x": x})
    assert len(programs) == 1


def test_a_rehearsal_counts_what_a_run_does():
    rehearsal = Rehearsal(Programs(), rows=7)

    def run(sweeper):
        x = sweeper.empty(19, 5, 2)
        for _ in range(3):
            x, source = sweeper.empty(19, 5, 2), x
            sums = sweeper.sweep(BOX_SUM, np.float32(1), {"x": source}, {"x": x})
            assert np.shape(sums) == np.shape(BOX_SUM.sums)
            del source
        return x

    run(rehearsal)
    assert rehearsal.held == 2 * 19 * 5 * 2 * 4  # an array lives until the next one is made
    advanced = []
    run(Sweeper(Programs(), rows=7, advance=lambda: advanced.append(1)))
    assert rehearsal.steps == len(advanced) == 3 * rehearsal.windows
    assert rehearsal.window_bytes() >= 2 * 7 * 5 * 2 * 4
