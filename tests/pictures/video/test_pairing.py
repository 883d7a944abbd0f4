import pathlib
import time

import numpy as np
import pytest

from ttd_jax.errors import UserError
from ttd_jax.pictures.video.pairing import pair
from ttd_jax.pictures.video.streams import Stream, typical_interval


def stream(times=None, *, name="a.mp4", count=None, rate=None):
    """A stream of which nothing but its times counts."""
    if times is not None:
        times = np.asarray(times, float)
        count, rate = len(times), 1 / (typical_interval(times) or 0.04)
    return Stream(
        path=pathlib.Path(name),
        kind="video",
        size=(2, 2),
        channels=1,
        depth=np.dtype(np.uint8),
        count=count,
        times=times,
        rate=rate,
    )


def test_equal_streams_are_paired_one_to_one_and_nothing_is_told():
    times = np.arange(10) / 25
    pairing = pair([stream(times), stream(times + 0.003)])
    np.testing.assert_array_equal(pairing.indices, np.arange(10)[:, None].repeat(2, 1))
    np.testing.assert_allclose(pairing.times, times)
    assert pairing.indices.dtype == np.int64
    assert not pairing.remarks


def test_the_nearest_in_time_belongs_to_a_frame_whatever_its_number():
    first, other = stream([0, 0.1, 0.2, 0.3]), stream([-0.2, -0.1, 0.0, 0.12, 0.19, 0.33])
    assert pair([first, other]).indices[:, 1].tolist() == [2, 3, 4, 5]


def test_of_two_as_near_the_earlier_is_taken():
    assert pair([stream([1.0, 2.0]), stream([0.5, 1.5, 2.5])]).indices[:, 1].tolist() == [0, 1]


def test_a_slower_stream_gives_each_frame_several_times():
    pairing = pair([stream(np.arange(30) / 30), stream(np.arange(9) / 9, name="b.mkv")])
    column = pairing.indices[:, 1]
    assert (np.diff(column) >= 0).all()
    assert set(column) == set(range(9))
    (walks,) = pairing.remarks
    assert walks.startswith("b.mkv: 9.00 frames/s beside 30.00 frames/s of a.mp4")
    assert walks.endswith(": 21 times a frame serves again")


def test_drift_is_told():
    pairing = pair([stream(np.arange(3000) / 29.97), stream(np.arange(3003) / 30, name="b.mp4")])
    (walks,) = pairing.remarks
    assert walks.endswith(": 3 between serve none")


def test_frames_without_partners_are_left_out_and_told():
    times = np.arange(100) / 25
    gap = np.delete(times, np.arange(40, 60))
    pairing = pair([stream(times), stream(gap, name="b.mp4")])
    assert len(pairing.indices) == 80
    np.testing.assert_array_equal(times[pairing.indices[:, 0]], gap[pairing.indices[:, 1]])
    assert pairing.remarks == (
        "a.mp4: 20 of 100 frames left out, which have none of b.mp4 at their time, the first at "
        "1.60 s",
    )


def test_unequal_lengths_are_told():
    times = np.arange(100) / 25
    pairing = pair([stream(times), stream(times[:60], name="b.mp4")])
    assert len(pairing.indices) == 60
    assert pairing.remarks[-1] == "a.mp4 lasts 3.96 s, b.mp4 2.36 s"


def test_offsets_are_added_to_the_others():
    times = np.arange(20) / 25
    first, other = stream(times), stream(times - 0.2)
    assert pair([first, other], [0.2]).indices[:, 1].tolist() == list(range(20))
    both = pair([first, other, stream(times + 3)], [0.2, -3.0])
    np.testing.assert_array_equal(both.indices, np.arange(20)[:, None].repeat(3, 1))
    with pytest.raises(UserError, match="3 offsets for 2 streams beside the first"):
        pair([first, other, other], [0.1, 0.2, 0.3])
    with pytest.raises(UserError, match="number of seconds"):
        pair([first, other], [float("nan")])


def test_streams_that_never_meet_are_refused():
    times = np.arange(5) / 25
    with pytest.raises(UserError, match=r"b\.mp4: lasts from 100\.00 .* pass another --offset"):
        pair([stream(times), stream(times + 100, name="b.mp4")])
    early, late = stream(times[:2]), stream(times[3:])
    with pytest.raises(UserError, match="every other stream"):
        pair([stream(times), early, late])


def test_without_time_stamps_frames_are_paired_by_number():
    pairing = pair([stream(count=4, name="v"), stream(count=4, name="i")])
    np.testing.assert_array_equal(pairing.indices, np.arange(4)[:, None].repeat(2, 1))
    np.testing.assert_allclose(pairing.times, np.arange(4) / 25)
    assert "25 frames a second" in pairing.remarks[0]
    with pytest.raises(UserError, match=r"v holds 4 frames but i 5, and neither .* --offset"):
        pair([stream(count=4, name="v"), stream(count=5, name="i")])
    given = [stream(np.arange(4) / 10), stream(np.arange(6) / 10)]
    by_rate = pair(given)
    np.testing.assert_array_equal(by_rate.indices, pairing.indices)
    assert by_rate.times.tolist() == [0, 0.1, 0.2, 0.3]
    assert "lasts 0.30 s" in by_rate.remarks[0]


def test_a_stream_without_time_stamps_beside_others_needs_a_rate():
    times = np.arange(4) / 10
    with pytest.raises(UserError, match="frames: has no time stamps: pass --rate"):
        pair([stream(times), stream(count=4, name="frames")])


def test_half_a_frame_late_every_frame_serves_once():
    times = np.arange(200) / 25
    column = pair([stream(times), stream(times)], [0.3]).indices[:, 1]
    assert set(np.diff(column)[1:]) == {1}  # the first one is the nearest of two


def test_single_frames_pair():
    assert pair([stream([0.0]), stream([0.01])]).indices.tolist() == [[0, 0]]


def test_a_hundred_thousand_frames_take_no_time():
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.03, 0.05, 100_000))
    started = time.perf_counter()
    pairing = pair([stream(times), stream(times + 0.01), stream(times[::3])])
    assert len(pairing.indices) > 90_000
    assert time.perf_counter() - started < 2
