import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.pictures.video.videos import H, W, flat, number_of, write
from ttd_jax.errors import UserError
from ttd_jax.pictures.video.pairing import pair
from ttd_jax.pictures.video.reading import read_frames
from ttd_jax.pictures.video.streams import is_video, natural, open_stream, typical_interval

pytest.importorskip("av")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
def test_time_stamps_of_frames_in_their_order(tmp_path, suffix):
    """They are those of b-frames too, which packets hold in another order."""
    codec = "ffv1" if suffix == ".avi" else "libx264"
    colors = "bgr0" if suffix == ".avi" else "yuv420p"
    path = write(tmp_path / f"a{suffix}", codec=codec, pixel_format=colors)
    stream = open_stream(path)
    assert (stream.kind, stream.size, stream.channels) == ("video", (H, W), 3)
    assert stream.depth == np.uint8
    assert stream.count == 20
    np.testing.assert_allclose(stream.times, np.arange(20) / 25, atol=1e-9)
    assert stream.rate == pytest.approx(25)
    assert not stream.has_sound
    assert not stream.remarks


def test_variable_rates_and_starts_are_kept(tmp_path):
    times = [0.5, 0.54, 0.61, 0.9, 0.93, 1.4]
    frames = [flat(number) for number in range(6)]
    stream = open_stream(write(tmp_path / "a.mp4", frames, times=times))
    np.testing.assert_allclose(stream.times, times, atol=1e-5)


def test_a_file_that_breaks_off_is_told_of_and_gives_what_is_there(tmp_path):
    whole = write(tmp_path / "a.mkv", [flat(n) for n in range(30)], options={"g": "5"})
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    stream = open_stream(cut)
    assert 5 < stream.count < 25
    assert "breaks off" in stream.remarks[0]
    assert "of 1.2 s" in stream.remarks[0]
    seen = [number_of(frame) for frame in read_frames(stream, range(stream.count))]
    assert seen == list(range(stream.count))


def test_an_mp4_whose_index_comes_first_gives_what_is_there(tmp_path):
    options = {"movflags": "faststart"}
    whole = write(tmp_path / "a.mp4", container_options=options)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[:-100])
    stream = open_stream(cut)
    assert 10 < stream.count < 20
    assert "breaks off" in stream.remarks[0]
    assert sum(1 for _ in read_frames(stream, range(stream.count))) == stream.count


def test_frames_before_the_first_key_frame_are_none(tmp_path):
    whole = write(tmp_path / "a.ts", [flat(n) for n in range(30)], options={"g": "10"})
    data = whole.read_bytes()
    tables, rest = data[: 188 * 3], data[188 * 3 :]
    cut = tmp_path / "cut.ts"
    cut.write_bytes(tables + rest[188 * 4 :])  # without the first picture
    stream = open_stream(cut)
    assert 10 < stream.count < 25
    assert "before the first key frame" in stream.remarks[0]
    seen = [number_of(frame) for frame in read_frames(stream, range(stream.count))]
    assert seen == list(range(30 - stream.count, 30))


def _encrypted(path):
    key = {"encryption_key": "76a6c65c5ea762046bd749a2e632ccbb", "encryption_kid": "a7" * 16}
    write(path, container_options={"encryption_scheme": "cenc-aes-ctr", **key})


def _truncated(path):
    path.write_bytes(write(path).read_bytes()[:800])


def _sound_alone(path):
    import av

    with av.open(str(path), "w") as container:
        heard = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux([*heard.encode(frame), *heard.encode()])


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (_encrypted, "is encrypted"),
        (_truncated, "truncated, damaged or no video"),
        (_sound_alone, "has no video stream, only audio"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(bytes(range(256)) * 20), "no video"),
        (lambda path: path.write_text("no video\n" * 50, encoding="utf-8"), "no video"),
        (lambda path: Image.new("RGB", (W, H)).save(path, "png"), "is no video"),
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "no images here"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(tmp_path, make, named, capfd):
    path = tmp_path / "a.mp4"
    make(path)
    with pytest.raises(UserError, match=named) as refused:
        open_stream(path)
    message = str(refused.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")  # of FFmpeg's own words


def test_without_pyav_one_line_tells_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    path = tmp_path / "a.mp4"
    path.write_bytes(b"1234")
    with pytest.raises(UserError, match=r"needs av: pip install 'ttd-jax\[video\]'"):
        open_stream(path)


def test_raw_streams_have_times_where_a_rate_is_given(tmp_path):
    path = write(tmp_path / "a.h264")
    assert open_stream(path).times is None
    stream = open_stream(path, rate=50)
    np.testing.assert_allclose(stream.times, np.arange(20) / 50)
    assert [number_of(frame) for frame in read_frames(stream, [0, 7, 19])] == [0, 7, 19]
    with pytest.raises(UserError, match="rate=0"):
        open_stream(path, rate=0)


def test_folders_are_sorted_by_the_numbers_in_names(tmp_path):
    for number in (10, 9, 1):
        Image.fromarray(flat(number)).save(tmp_path / f"frame{number}.png")
    stream = open_stream(tmp_path)
    assert (stream.kind, stream.count, stream.times) == ("frames", 3, None)
    assert [number_of(frame) for frame in read_frames(stream, [0, 1, 2])] == [1, 9, 10]
    np.testing.assert_allclose(open_stream(tmp_path, rate=2).times, [0, 0.5, 1])
    assert sorted(["b2", "a10", "a9"], key=natural) == ["a9", "a10", "b2"]


def test_alpha_that_is_left_out_is_told(tmp_path):
    Image.fromarray(flat(1)).convert("RGBA").save(tmp_path / "1.png")
    stream = open_stream(tmp_path)
    assert stream.channels == 3
    assert stream.remarks == (f"{tmp_path}: alpha is left out: frames are gray or RGB",)


def test_pages_of_a_tiff_are_frames(tmp_path):
    values = np.arange(5 * 6 * 7, dtype=np.uint16).reshape(5, 6, 7) * 97
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    stream = open_stream(tmp_path / "a.tif")
    assert (stream.kind, stream.size, stream.channels) == ("pages", (6, 7), 1)
    assert stream.depth == np.uint16
    assert stream.count == 5
    for page, frame in zip((1, 4), read_frames(stream, [1, 4]), strict=True):
        np.testing.assert_array_equal(frame[..., 0], values[page])


def test_durations_of_a_gif_are_its_time_stamps(tmp_path):
    pictures = [Image.fromarray(flat(3 * number)) for number in range(4)]
    delays = [100, 300, 100, 50]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=delays)
    stream = open_stream(tmp_path / "a.gif")
    np.testing.assert_allclose(stream.times, [0, 0.1, 0.4, 0.5])
    assert [number_of(frame) for frame in read_frames(stream, range(4))] == [0, 3, 6, 9]


def test_videos_are_told_from_pictures(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    write(tmp_path / "b.mp4").rename(tmp_path / "b.unknown")
    write(tmp_path / "c.mkv").rename(tmp_path / "c")
    (tmp_path / "d.txt").write_text("words", encoding="utf-8")
    assert is_video("anything.MOV")
    found = [is_video(tmp_path / name) for name in ("a.png", "b.unknown", "c", "d.txt", ".")]
    assert found == [False, True, True, False, False]


def test_the_typical_interval_leaves_gaps_aside():
    assert typical_interval(np.array([0, 0.1, 0.2, 5, 5.1])) == pytest.approx(0.1)
    assert typical_interval(np.zeros(1)) is None


def test_turned_videos_are_as_large_as_they_are_shown(tmp_path):
    stream = open_stream(write(tmp_path / "a.mp4", turn={"degrees": 90}))
    assert stream.size == (W, H)


def test_several_videos_in_a_file_are_told_of(tmp_path):
    import av

    first = write(tmp_path / "a.mkv")
    with av.open(str(first)) as one, av.open(str(tmp_path / "b.mkv"), "w") as both:
        copies = [both.add_stream_from_template(one.streams.video[0]) for _ in range(2)]
        for packet in one.demux(video=0):
            if packet.size:
                for copy in copies:
                    packet.stream = copy
                    both.mux(packet)
    stream = open_stream(tmp_path / "b.mkv")
    assert "holds 2 video streams" in stream.remarks[0]
    assert pair([stream, stream]).indices.shape == (20, 2)
