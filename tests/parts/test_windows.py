"""Cutting pictures in windows, and sweeping over them."""

import jax.numpy as jnp
import numpy as np
import pytest

from ttd_jax.parts.part import Part
from ttd_jax.parts.sweeps import Programs, Rehearsal, Sweeper, Work
from ttd_jax.parts.windows import cut, cut_axis


@pytest.mark.parametrize("halo", [0, 1, 4])
@pytest.mark.parametrize("window", [9, 10, 23])
@pytest.mark.parametrize("length", [1, 9, 10, 11, 40, 41])
def test_spans_cover_a_side_once_with_their_halo(length, window, halo):
    spans = cut_axis(length, window, halo)
    assert [row for s in spans for row in range(s.first, s.last)] == list(range(length))
    for span in spans:
        end = span.start + min(window, length)
        assert 0 <= span.start <= max(span.first - halo, 0)
        assert min(span.last + halo, length) <= end <= length


def test_the_smallest_window_keeps_a_row_and_a_smaller_one_is_refused():
    assert len(cut_axis(100, 9, 4)) == 92  # the first and the last keep five
    with pytest.raises(ValueError, match="keeps none"):
        cut_axis(100, 8, 4)


@pytest.mark.parametrize(("window", "halo"), [((10, 40), 3), ((9, 8), 2), ((40, 11), 4)])
def test_windows_cover_a_picture_once_and_know_their_last_reader(window, halo):
    size = (31, 40)
    windows = cut(size, window, halo)
    owner = np.full(size, -1)
    for number, w in enumerate(windows):
        assert np.all(owner[w.rows.results, w.columns.results] == -1)
        owner[w.rows.results, w.columns.results] = number
    assert owner.min() == 0
    last = {}
    for number, w in enumerate(windows):
        read = owner[w.rows.start :, w.columns.start :][: window[0], : window[1]]
        last |= dict.fromkeys(np.unique(read), number)
    assert [w.last_reader for w in windows] == [last[number] for number in range(len(windows))]


def box_sum(constants, windows, owned):
    """The sum of 3x3 pixels, zeros around the picture; and the sum of all."""
    padded = jnp.pad(windows["x"], [(1, 1), (1, 1), (0, 0)])
    out = padded[:-2] + padded[1:-1] + padded[2:]
    out = constants * (out[:, :-2] + out[:, 1:-1] + out[:, 2:])
    return {"x": out}, jnp.sum(Part(owned=owned).own(out))


BOX_SUM = Work(box_sum, halo=1)


@pytest.mark.parametrize("window", [(3, 5), (4, 9), (7, 3), (19, 4), (30, 30), (3, 3)])
def test_a_sweep_in_place_is_that_of_the_whole_picture(window):
    whole = np.random.default_rng(0).random((19, 5, 2)).astype(np.float32)
    (expected, total) = box_sum(0.5, {"x": whole}, None)
    x = whole.copy()
    half = np.float32(0.5)
    sums = Sweeper(Programs(), window=window).sweep(BOX_SUM, half, {"x": x}, {"x": x})
    np.testing.assert_allclose(x, expected["x"], atol=1e-6)
    np.testing.assert_allclose(sums, total, rtol=1e-6)


def test_a_halo_that_is_too_narrow_is_seen():
    x = np.ones((19, 5, 2), np.float32)
    out = np.empty_like(x)
    narrow = Work(box_sum, halo=0)
    Sweeper(Programs(), window=(7, 5)).sweep(narrow, np.float32(1), {"x": x}, {"x": out})
    assert out[9, 1:-1].min() == 9
    assert out[7].max() == 6


def test_integers_are_scaled_on_the_way_in_and_quantized_on_the_way_out():
    x = np.arange(256, dtype=np.uint8).reshape(32, 4, 2)
    out = np.empty_like(x)
    double = Work(lambda constants, windows, owned: ({"x": constants * windows["x"]}, ()), halo=0)
    Sweeper(Programs(), window=(7, 5)).sweep(double, np.float32(2), {"x": x}, {"x": out})
    np.testing.assert_array_equal(out, np.minimum(2 * x.astype(int), 255))


def test_all_strips_share_one_program():
    programs = Programs()
    x = np.ones((19, 5, 2), np.float32)
    Sweeper(programs, window=(7, 5)).sweep(BOX_SUM, np.float32(1), {"x": x})
    assert len(programs) == 1


def test_a_rehearsal_counts_what_a_run_does():
    rehearsal = Rehearsal(Programs(), window=(7, 5))

    def run(sweeper):
        x = sweeper.empty(19, 5, 2)
        for _ in range(3):
            x, source = sweeper.empty(19, 5, 2), x
            sums = sweeper.sweep(BOX_SUM, np.float32(1), {"x": source}, {"x": x})
            assert np.shape(sums) == ()
            del source
        return x

    run(rehearsal)
    assert rehearsal.held == 2 * 19 * 5 * 2 * 4  # an array lives until the next one is made
    advanced = []
    run(Sweeper(Programs(), window=(7, 5), advance=lambda: advanced.append(1)))
    assert rehearsal.steps == len(advanced) == 3 * rehearsal.windows
    assert rehearsal.window_bytes() >= 2 * 7 * 5 * 2 * 4
