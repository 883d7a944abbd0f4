"""Sequences: which frames belong together, what is beside a frame, and what tables say of it."""

import dataclasses
import math
import pathlib

import numpy as np
import pytest

from ttd_jax.errors import UserError
from ttd_jax.evaluation import matched, sequence_tables, steps
from ttd_jax.evaluation.matched import find_maps, match_sequences
from ttd_jax.evaluation.steps import Frame, Step, judge_steps, measure_step, neighbors
from ttd_jax.pictures.images import Picture
from ttd_jax.pictures.motion import Motion
from ttd_jax.pictures.video.streams import Stream


@pytest.fixture
def streams(monkeypatch):
    """`streams(name=times or count, ...)`: what `open_stream` then finds, frames of 12x16."""

    def define(**given):
        found = {}
        for name, own in given.items():
            times = None if isinstance(own, int) else np.array(own)
            count, rate = own if times is None else len(own), None if times is None else 10.0
            found[name] = Stream(
                *(pathlib.Path(name), "video", (12, 16), 1, np.dtype(np.uint8), count, times, rate),
            )
        monkeypatch.setattr(matched, "open_stream", lambda path, rate=None: found[path])
        return found

    return define


def test_fused_frames_of_another_number_belong_to_those_nearest_in_time(streams):
    streams(f=[0.1, 0.2, 0.4], v=[0.0, 0.1, 0.2, 0.3, 0.4], t=[0.02, 0.12, 0.22, 0.42])
    found = match_sequences({"ours": "f"}, ["v", "t"])
    assert found.indices.tolist() == [[0, 1, 1], [1, 2, 2], [2, 4, 3]]
    assert found.times.tolist() == [0.1, 0.2, 0.4]
    off = match_sequences({"ours": "f"}, ["v", "t"], offsets=[0.1])
    assert off.indices[:, 2].tolist() == [0, 1, 2]
    streams(f=[0.0, 0.1], v=[0.5, 0.6, 0.7])  # a clock that begins with the video
    assert match_sequences({"ours": "f"}, ["v"]).indices.tolist() == [[0, 0], [1, 1]]


def test_as_many_fused_frames_as_pairs_follow_these(streams):
    streams(f=[0.0, 0.1], v=[0.0, 0.1, 0.2], t=[0.1, 0.2])
    found = match_sequences({"ours": "f"}, ["v", "t"])
    assert found.indices.tolist() == [[0, 1, 0], [1, 2, 1]]
    assert found.times.tolist() == [0.1, 0.2]
    streams(f=2, v=[0.0, 0.1, 0.2], t=[0.1, 0.2])
    found = match_sequences({"ours": "f"}, ["v", "t"])
    assert found.indices.tolist() == [[0, 1, 0], [1, 2, 1]]
    streams(f=4, v=4, t=4)
    found = match_sequences({"ours": "f"}, ["v", "t"])
    assert found.times is None
    assert found.indices.tolist() == [[i] * 3 for i in range(4)]
    streams(f=3, v=[0.0, 0.1, 0.2, 0.3])
    assert len(match_sequences({"ours": "f"}, ["v"], until=0.25).indices) == 3
    streams(f=3, v=4, t=4)
    with pytest.raises(UserError, match="f has 3 frames and its sources have 4"):
        match_sequences({"ours": "f"}, ["v", "t"])


def test_methods_are_compared_on_the_same_frames_of_one_size(streams):
    found = streams(a=[0.0, 0.1], b=[0.1, 0.2], v=[0.0, 0.1, 0.2])
    assert match_sequences({"a": "a", "again": "a"}, ["v"]).indices.shape == (2, 3)
    with pytest.raises(UserError, match="b has 2 frames that others than the 2 of a"):
        match_sequences({"a": "a", "b": "b"}, ["v"])
    found["v"] = dataclasses.replace(found["v"], size=(12, 18))
    with pytest.raises(UserError, match="18x12"):
        match_sequences({"a": "a"}, ["v"])


def test_maps_belong_to_the_frame_that_they_are_named_after(tmp_path):
    (tmp_path / "dominability").mkdir()
    for name in ("f_1_1_v", "f_1_2_t", "f_10_1_v", "f_10_2_t_3_x", "f_1_overlay", "o_1_v"):
        (tmp_path / "dominability" / f"{name}.png").touch()
    found = find_maps(tmp_path, ["f_1", "f_10", "f_2"])
    names = {stem: [path.stem for path in own] for stem, own in found.items()}
    assert names == {"f_1": ["f_1_1_v", "f_1_2_t"], "f_10": ["f_10_1_v", "f_10_2_t_3_x"]}
    assert find_maps(tmp_path / "dominability", ["f_1"]) == {}


def still(index, *values, dominability=None):
    """A frame of even pictures: fused ones, and a source that is the last value."""
    *fused, source = (Picture(np.full((8, 8, 1), value, np.uint8)) for value in values)
    lumas = [np.full((8, 8), value, np.float32) for value in values]
    return Frame(index, fused, [source], lumas, [dominability] * len(fused))


def test_motion_is_measured_once_a_step_and_not_across_a_gap(monkeypatch):
    measured = []
    monkeypatch.setattr(
        steps, "measure_step", lambda a, b: measured.append((a.index, b.index)) or measured[-1]
    )
    frames = [still(i, 0, 0) for i in (0, 1, 2, 5, 6)]
    found = list(neighbors(frames, {1, 2, 6}))
    assert measured == [(0, 1), (1, 2), (5, 6)]
    assert [(one.before, one.after) for one in found] == [
        ((0, 1), (1, 2)),
        ((1, 2), None),
        ((5, 6), None),
    ]
    assert [one.previous.index for one in found] == [0, 1, 5]
    assert [one.following and one.following.index for one in found] == [2, None, None]


def test_what_changes_along_the_motion_is_judged_and_nothing_across_a_cut(monkeypatch):
    flow, mask = np.zeros((8, 8, 2), np.float32), np.ones((8, 8), bool)

    def step(_, current):
        motion = Motion(flow, mask, cut=current.index == 3)
        return Step(motion, np.stack([flow] * 3), np.stack([flow] * 3))

    monkeypatch.setattr(steps, "measure_step", step)
    maps = [np.stack([np.full((8, 8), rd, np.float32)] * 2) for rd in (0.5, 0.4, 0.4, 0.1)]
    frames = [
        still(i, 10 * i, 30 * i, 5 * i, dominability=maps[i] if i != 2 else None) for i in range(4)
    ]
    first, second, third, fourth = map(judge_steps, neighbors(frames, range(4)))
    assert set(first[0].values()) == {None}
    assert second[0]["Flicker"] == pytest.approx(10)
    assert second[1]["Flicker"] == pytest.approx(30)
    assert second[0]["Flicker_of_source"] == second[1]["Flicker_of_source"] == pytest.approx(5)
    assert second[0]["Flicker_of_RD"] == pytest.approx(0.1)
    assert second[1]["BiSWE"] == pytest.approx(60)
    assert second[1]["MS2R"] == 0
    assert third[0]["Flicker_of_RD"] is None
    assert third[0]["Flicker"] == pytest.approx(10)
    assert third[0]["BiSWE"] is None
    assert set(fourth[0].values()) == {None}


def test_a_step_follows_every_stream_both_ways():
    noise = np.random.default_rng(0).integers(0, 255, (40, 60)).astype(np.float32)
    smooth = noise
    for _ in range(3):
        smooth = (smooth + np.roll(smooth, 1, 0) + np.roll(smooth, 1, 1)) / 3
    picture = Picture(smooth.astype(np.uint8)[..., None])
    moved = np.roll(smooth, 4, axis=1)
    frames = (
        Frame(i, [picture], [picture], [smooth, luma], [None])
        for i, luma in ((0, smooth), (1, moved))
    )
    found = measure_step(*frames)
    inner = np.s_[10:-10, 10:-10, 0]
    assert abs(found.backs[0][inner]).max() < 0.1
    assert np.median(found.backs[1][inner]) == pytest.approx(-4, abs=0.3)
    assert np.median(found.forths[1][inner]) == pytest.approx(4, abs=0.3)
    assert np.array_equal(found.motion.flow[inner], found.backs[1][inner])


def record(method, frame, flicker, *, cut=False, dominability=None):
    temporal = dict.fromkeys(("BiSWE", "MS2R"))
    temporal |= {"Flicker": flicker, "Flicker_of_RD": dominability, "Flicker_of_source": 3.0}
    return {
        **{"method": method, "frame": frame, "time": frame / 25, "cut": cut},
        **{"scores": {"EN": 6.0 + frame}, "temporal": temporal},
    }


def test_the_table_says_how_much_steadier_one_is():
    records = [record("raw", 0, None), record("raw", 1, 8.0), record("raw", 2, None, cut=True)]
    records += [record("raw", 3, 6.0)]
    records += [
        record("ours", frame, f, cut=frame == 2, dominability=f and 0.01)
        for frame, f in enumerate((None, 4.0, None, 3.0))
    ]
    summary = sequence_tables.summarize(records, ["EN"])
    assert (summary["frames"], summary["cuts"], summary["baseline"]) == (4, [2], "raw")
    temporal = summary["temporal"]
    assert temporal["methods"]["ours"]["Flicker"]["mean"] == 3.5
    difference = temporal["differences"]["ours"]["Flicker"]
    assert (difference["mean"], difference["improved"]) == (-3.5, 1.0)
    assert math.isnan(temporal["methods"]["raw"]["Flicker_of_RD"]["mean"])
    assert temporal["source"]["mean"] == 3
    text = sequence_tables.markdown(summary, "paper", ["EN"])
    assert "`paper`, 4 frames" in text
    assert "without 1 cut (frame 2)" in text
    assert "| Flicker ↓ | 7.0000" in text
    assert "own flicker is 3.0000" in text
    assert "BiSWE" not in text
    files = dict(sequence_tables.sequence_files(records, "paper", ["EN"]))
    head, first, second, *_ = files["scores.csv"].splitlines()
    assert head == "method,frame,time,protocol,EN,Flicker,Flicker_of_RD,Flicker_of_source"
    assert first == "raw,0,0.0,paper,6.0,,,3.0"
    assert second == "raw,1,0.04,paper,7.0,8.0,,3.0"
