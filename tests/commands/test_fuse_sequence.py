"""`ttd-jax fuse` of sequences: videos, and folders whose pictures follow each other."""

import json

import cv2
import numpy as np
import pytest

import ttd_jax
from ttd_jax.pictures.clips import generate_clip
from ttd_jax.pictures.video.reading import read_frames
from ttd_jax.pictures.video.streams import open_stream
from ttd_jax.pictures.video.writing import VideoWriter

SIZE, COUNT = (32, 40), 6


@pytest.fixture(scope="module")
def clip():
    frames = generate_clip(ttd_jax.example()[0], count=COUNT, size=SIZE, cuts=(3,), speed=0.5)
    return list(frames)


@pytest.fixture(scope="module")
def folders(clip, tmp_path_factory):
    root = tmp_path_factory.mktemp("clip")
    for name, channels in (("visible", slice(None, None, -1)), ("thermal", slice(None))):
        (root / name).mkdir()
        for number, frame in enumerate(clip):
            pixels = getattr(frame, name)[..., channels]
            assert cv2.imwrite(str(root / name / f"{number:03}.png"), pixels)
    return root / "visible", root / "thermal"


@pytest.fixture(scope="module")
def videos(clip, tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    for name in ("visible", "thermal"):
        first = getattr(clip[0], name)
        kind = {"colored": first.shape[2] == 3, "dtype": first.dtype, "rate": 10}
        with VideoWriter(root / f"{name}.mkv", size=SIZE, **kind) as writer:
            for number, frame in enumerate(clip):
                writer.add(getattr(frame, name), number / 10)
    return root / "visible.mkv", root / "thermal.mkv"


def read_all(path):
    stream = open_stream(path)
    return list(read_frames(stream, range(stream.count)))


def test_without_smoothing_frames_are_the_still_pictures(command_line, fuse, folders, tmp_path):
    stills, frames = tmp_path / "stills", tmp_path / "frames"
    assert command_line(*fuse(stills, *folders)).returncode == 0
    words = fuse(frames, "--sequence", "--smooth=0", *folders)
    result = command_line(*words)
    assert result.returncode == 0, result.stderr
    names = sorted(path.name for path in stills.glob("*.png"))
    assert names == [f"{number:03}.png" for number in range(COUNT)]
    for name in names:
        one, other = (cv2.imread(str(root / name), -1) for root in (stills, frames))
        np.testing.assert_array_equal(one, other)
    assert json.loads((frames / "sequence.json").read_text())["flicker"] is None


def test_smoothing_lessens_flicker_and_begins_anew_at_cuts(command_line, fuse, folders, tmp_path):
    told = {}
    for smooth in ("0.01", "0.9"):
        out = tmp_path / smooth
        result = command_line(*fuse(out, "--sequence", f"--smooth={smooth}", "--json", *folders))
        assert result.returncode == 0, result.stderr
        told[smooth] = json.loads(result.stdout)
        assert told[smooth]["frames"] == COUNT
        assert told[smooth]["cuts"] == 1
    least, most = (told[smooth]["flicker"]["dominability"] for smooth in ("0.9", "0.01"))
    assert least < 0.5 * most
    one, other = (cv2.imread(str(tmp_path / smooth / "003.png"), -1) for smooth in told)
    np.testing.assert_array_equal(one, other)  # the first frame after the cut
    one, other = (cv2.imread(str(tmp_path / smooth / "002.png"), -1) for smooth in told)
    assert (one != other).any()


def test_videos_become_a_video_with_its_record(command_line, fuse, videos, tmp_path):
    out = tmp_path / "new" / "fused.mp4"
    result = command_line(*fuse(out, *videos))
    assert result.returncode == 0, result.stderr
    assert f"{out}: {COUNT} frames fused" in result.stderr
    assert [path.name for path in sorted(out.parent.iterdir())] == ["fused.json", "fused.mp4"]
    stream = open_stream(out)
    assert (stream.count, stream.size, stream.channels) == (COUNT, SIZE, 3)
    np.testing.assert_allclose(stream.times, np.arange(COUNT) / 10, atol=1e-3)
    told = json.loads((tmp_path / "new" / "fused.json").read_text())
    assert told["pairs"] == {"count": COUNT, "first": [0, 0], "last": [COUNT - 1] * 2}
    assert told["settings"]["smooth"] == 0.8
    assert told["flicker"]["luma"] > 0
    assert [one["name"] for one in told["settings"]["streams"]] == ["visible", "thermal"]


def test_videos_become_numbered_pictures(command_line, fuse, videos, tmp_path):
    words = fuse(tmp_path, "--save=fused,dominability", "--batch_size=4", *videos)
    result = command_line(*words)
    assert result.returncode == 0, result.stderr
    names = sorted(path.name for path in tmp_path.glob("*.png"))
    assert names == [f"visible_{number:06}.png" for number in range(1, COUNT + 1)]
    assert (tmp_path / "dominability" / "visible_000001_2_thermal.png").exists()
    again = command_line(*words)
    assert again.returncode == 2
    assert "--resume" in again.stderr
    again = command_line(*words, "--resume")
    assert f"0 frames fused, {COUNT} reused" in again.stderr


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ttd_jax.UserError("a disk is full")])
def test_an_interrupted_video_is_kept_as_far_as_it_came(
    error, refused, fuse, videos, tmp_path, monkeypatch
):
    def add(writer, frame, time, add=VideoWriter.add):
        if writer.count == 3:
            raise error
        add(writer, frame, time)

    monkeypatch.setattr(VideoWriter, "add", add)
    partial = tmp_path / "fused.partial.mkv"
    refused(*fuse(tmp_path / "fused.mkv", *videos), named=[str(error) or "interrupted", partial])
    assert [path.name for path in tmp_path.iterdir()] == [partial.name]
    assert len(read_all(partial)) == 3


def test_a_video_that_another_run_has_finished_meanwhile_stays(
    refused, fuse, videos, tmp_path, monkeypatch
):
    out = tmp_path / "fused.mkv"

    def enter(writer, enter=VideoWriter.__enter__):
        out.write_bytes(b"theirs")
        return enter(writer)

    monkeypatch.setattr(VideoWriter, "__enter__", enter)
    refused(*fuse(out, *videos), named=[out, "already exists"])
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"theirs"]


def test_a_part_of_a_sequence_may_be_fused(command_line, fuse, videos, tmp_path):
    words = fuse(tmp_path / "out", "--until=0.15", "--dry_run", "--json", *videos)
    told = json.loads(command_line(*words).stdout)
    assert (told["frames"], told["size"], told["color"]) == (2, list(SIZE), "luma")
    assert [stream["frames"] for stream in told["streams"]] == [COUNT, COUNT]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--smooth=1"], "--smooth"),
        (["--pages=each"], "--pages"),
        (["--bands=1"], "--bands"),
        (["--save=alignment"], "--save=alignment"),
        (["--offset=soon"], "--offset"),
        (["--offset=100"], "--offset"),
        (["--until=-1"], "--until"),
        (["--strategy=static", "--smooth=0.5"], "--smooth=0"),
        (["--range=type,type,type"], "3 ranges"),
    ],
)
def test_what_a_sequence_cannot_have_is_refused(refused, fuse, videos, tmp_path, flags, named):
    refused(*fuse(tmp_path / "out", *flags, *videos), named=[named])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "flags", [["--resume"], ["--save=losses"], ["--output_range=source"], ["--format=tiff"]]
)
def test_what_a_video_cannot_have_is_refused(refused, fuse, videos, tmp_path, flags):
    refused(*fuse(tmp_path / "out.mp4", *flags, *videos), named=[flags[0], "folder"])


def test_streams_that_do_not_belong_together_are_refused(refused, fuse, folders, videos, tmp_path):
    refused(*fuse(tmp_path / "a", videos[0]), named=["two or more streams", videos[0]])
    refused(*fuse(tmp_path / "a", "--smooth=0.5", *folders), named=["--smooth", "--sequence"])
    refused(*fuse(videos[0], *videos), named=[videos[0], "is a source"])
    refused(*fuse(tmp_path / "a.webm", *videos), named=["a.webm", ".mkv", "folder"])
    partial = tmp_path / "c.partial.mkv"
    partial.write_bytes(videos[0].read_bytes())
    refused(*fuse(tmp_path / "c.mkv", partial, videos[1]), named=[partial, "is a source"])
    (tmp_path / "small").mkdir()
    assert cv2.imwrite(str(tmp_path / "small" / "0.png"), np.zeros((20, 20), np.uint8))
    words = fuse(tmp_path / "a", "--rate=10", videos[0], tmp_path / "small")
    refused(*words, named=["40x32", "20x20"])
    (tmp_path / "out.mp4").touch()
    refused(*fuse(tmp_path / "out.mp4", *videos), named=["out.mp4", "exists"])
