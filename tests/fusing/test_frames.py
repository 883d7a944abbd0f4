"""The frames of a sequence as pictures."""

import types

import numpy as np
import pytest

from ttd_jax.align import Registration, Transform
from ttd_jax.errors import UserError
from ttd_jax.fusing import frames
from ttd_jax.fusing.frames import FrameReader
from ttd_jax.pictures.images import Reading
from ttd_jax.pictures.motion import Motion
from ttd_jax.pictures.ranges import parse_ranges
from ttd_jax.pictures.video.pairing import Pairing

SIZE, COUNT, CUT = (6, 8), 8, 5


@pytest.fixture
def stored(monkeypatch):
    """Two streams: of one gray each frame, and of the numbers 0 to 10 or, after the cut, to 20."""
    first = [np.full((*SIZE, 1), 20 * t, np.uint8) for t in range(COUNT)]
    tops = [10 + t % 2 if t < CUT else 20 for t in range(COUNT)]
    second = [np.linspace(0, top, 48).reshape(*SIZE, 1).astype(np.uint16) for top in tops]
    streams = {"first": first, "second": second}
    monkeypatch.setattr(frames, "read_frames", lambda one, at: (streams[one.name][i] for i in at))

    def measure(previous, current):
        cut = current[0, 0, 0] == 20 * CUT
        return Motion(np.zeros((*SIZE, 2), np.float32), np.full(SIZE, not cut), cut=bool(cut))

    monkeypatch.setattr(frames, "measure_motion", measure)
    return streams


def reader(steady=True, ranges="type,data", **options):
    streams = [
        types.SimpleNamespace(name=name, rate=4.0, frame_name=f"{name} at {{}}".format)
        for name in ("first", "second")
    ]
    pairing = Pairing(np.stack([np.arange(COUNT)] * 2, axis=1), np.arange(COUNT) / 4, ())
    reading = Reading(ranges=parse_ranges(ranges))
    return FrameReader(streams, pairing, reading, steady=steady, **options)


def read(one, start=0, gray=None, bounds=()):
    return list(one.read(start, gray, bounds, count=2, fits=True))


def test_ranges_follow_the_frames_slowly_and_begin_anew_at_a_cut(stored):
    found = read(reader())
    tops = [frame.pictures[1].scale.high for frame in found]
    assert tops[0] == 10
    assert all(10 < top < 10.5 for top in tops[1:CUT])
    assert tops[CUT:] == [20] * (COUNT - CUT)
    assert [frame.motion.cut for frame in found] == [t == CUT for t in range(COUNT)]
    assert not found[0].motion.mask.any()  # nothing is before it
    assert found[0].pictures[0].scale is None


def test_who_goes_on_after_a_frame_reads_the_same(stored):
    whole = read(reader())
    rest = read(reader(), 3, whole[2].gray, whole[2].bounds)
    assert [frame.number for frame in rest] == list(range(3, COUNT))
    for mine, other in zip(rest, whole[3:], strict=True):
        assert mine.bounds == other.bounds
        np.testing.assert_array_equal(mine.motion.mask, other.motion.mask)
        for one, two in zip(mine.pictures, other.pictures, strict=True):
            np.testing.assert_array_equal(one.pixels, two.pixels)


def test_frame_by_frame_nothing_follows_and_no_motion_is_measured(stored):
    found = read(reader(steady=False))
    assert [f.pictures[1].scale.high for f in found] == [10, 11, 10, 11, 10, 20, 20, 20]
    assert {frame.motion for frame in found} == {None}


def test_a_frame_that_cannot_be_read_is_named(stored):
    stored["second"][2] = np.full((*SIZE, 1), np.nan, np.float32)
    with pytest.raises(UserError, match=r"^second at 2: has values that are no numbers"):
        read(reader(ranges="data"))


def test_all_frames_are_warped_by_the_registration_of_the_first(stored):
    right = Transform(((1, 0, 2), (0, 1, 0), (0, 0, 1)), "translation")
    registration = Registration(0, (SIZE, SIZE), (Transform(), right))
    for frame in read(reader(registration=registration)):
        assert frame.pictures[0].has_data is None
        assert frame.pictures[1].has_data.mean() == 6 / 8
