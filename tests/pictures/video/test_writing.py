import contextlib
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.pictures.video.videos import H, W, flat, number_of, write
from ttd_jax.errors import UserError
from ttd_jax.pictures.video.encoding import choose_encoding
from ttd_jax.pictures.video.reading import read_frames
from ttd_jax.pictures.video.streams import open_stream
from ttd_jax.pictures.video.writing import VideoWriter

av = pytest.importorskip("av")
VARIABLE = [0.0, 0.04, 0.1, 0.13, 0.31, 0.32, 0.5, 0.61]


def save(path, frames, times=None, **options):
    height, width, channels = frames[0].shape
    times = [number / 25 for number in range(len(frames))] if times is None else times
    options = {"rate": 25, **options}
    writer = VideoWriter(
        path, size=(height, width), colored=channels == 3, dtype=frames[0].dtype, **options
    )
    with writer:
        for frame, time in zip(frames, times, strict=True):
            writer.add(frame, time)
    return writer


def load(path):
    stream = open_stream(path)
    assert not stream.remarks
    return stream, list(read_frames(stream, range(stream.count)))


def noise(dtype, shape, count=4):
    rng = np.random.default_rng(0)
    return list(rng.integers(0, np.iinfo(dtype).max, (count, *shape), dtype, endpoint=True))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(H, W), (33, 47)])
@pytest.mark.parametrize(
    ("suffix", "dtype"), [(".mkv", np.uint16), (".avi", np.uint16), (".avi", np.uint8)]
)
def test_every_bit_is_kept_by_ffv1(tmp_path, suffix, dtype, size, channels):
    frames = noise(dtype, (*size, channels))
    save(tmp_path / f"a{suffix}", frames)
    stream, back = load(tmp_path / f"a{suffix}")
    assert stream.depth == dtype
    np.testing.assert_array_equal(back, frames)
    assert os.listdir(tmp_path) == [f"a{suffix}"]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("size", [(H, W), (33, 47)])
def test_levels_sizes_and_times_are_kept_by_h264(tmp_path, suffix, size):
    frames = [flat(number, size) for number in range(len(VARIABLE))]
    writer = save(tmp_path / f"a{suffix}", frames, VARIABLE)
    stream, back = load(tmp_path / f"a{suffix}")
    assert stream.size == size
    assert [number_of(frame) for frame in back] == list(range(len(VARIABLE)))
    np.testing.assert_allclose(stream.times, VARIABLE, atol=1e-5 if suffix != ".mkv" else 6e-4)
    with av.open(str(tmp_path / f"a{suffix}")) as container:
        context = container.streams.video[0].codec_context
        assert context.name == "h264"
        odd = size != (H, W)
        assert context.pix_fmt == ("yuv444p" if odd else "yuv420p")
        assert (context.color_range, context.colorspace) == (1, 1)
    assert [remark for remark in writer.remarks if "is odd" in remark] == writer.remarks
    assert bool(writer.remarks) == odd


def test_colors_come_back(tmp_path):
    colors = [(250, 20, 30), (20, 200, 40), (30, 40, 220), (255, 255, 255), (0, 0, 0)]
    frames = [np.full((H, W, 3), color, np.uint8) for color in colors]
    save(tmp_path / "a.mp4", frames)
    np.testing.assert_allclose(load(tmp_path / "a.mp4")[1], frames, atol=3)


def test_16_bits_are_hevc_of_10_in_mp4(tmp_path):
    frames = [np.full((64, 72, 1), level, np.uint16) for level in (0, 30_000, 65_535)]
    save(tmp_path / "a.mp4", frames)
    stream, back = load(tmp_path / "a.mp4")
    assert stream.depth == np.uint16
    for frame, one in zip(frames, back, strict=True):
        assert abs(float(one.mean()) - frame[0, 0, 0]) < 65_535 / 876
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("hevc", "yuv420p10le")
        assert context.codec_tag == "hvc1"
    with pytest.raises(UserError, match="HEVC takes 64x64"):
        save(tmp_path / "b.mp4", [np.zeros((H, W, 1), np.uint16)])


def test_avi_has_one_rate(tmp_path):
    frames = [flat(number) for number in range(4)]
    save(tmp_path / "a.avi", frames, [5.0, 5.041, 5.079, 5.2])
    stream, back = load(tmp_path / "a.avi")
    np.testing.assert_allclose(stream.times, [0, 0.04, 0.08, 0.2], atol=1e-9)
    assert [number_of(frame) for frame in back] == [0, 1, 2, 3]


def test_other_suffixes_frames_and_places_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"written as \.mp4, \.mov, \.mkv, \.avi"):
        save(tmp_path / "a.wmv", [flat(0)])
    with pytest.raises(UserError, match=r"nowhere/a\.mp4: cannot write"):
        save(tmp_path / "nowhere" / "a.mp4", [flat(0)])
    with pytest.raises(ValueError, match="uint8"):
        save(tmp_path / "a.mp4", [flat(0), flat(0).astype(np.uint16)])
    assert choose_encoding(
        tmp_path / "a.MKV", size=(2, 2), colored=False, dtype=np.uint16, rate=25
    ).codec == ("ffv1")


def _heard(path):
    """`(codec, first second that is heard, last second)` of a file's sound."""
    with av.open(str(path)) as container:
        heard = container.streams.audio[0]
        frames = [(f.time, f.samples / 48_000, f.to_ndarray()) for f in container.decode(heard)]
        loud = [time for time, _, wave in frames if np.abs(wave).max() > 0.3]
        return heard.codec_context.name, loud[0], frames[-1][0] + frames[-1][1]


@pytest.mark.parametrize("target", [".mp4", ".mkv", ".avi"])
def test_sound_is_copied_from_the_time_of_the_first_frame_to_the_last(tmp_path, target):
    frames = [flat(number % 30) for number in range(50)]
    source = write(tmp_path / "source.mp4", frames, sound="aac")  # a tone from second 1 on
    stream = open_stream(source)
    assert stream.has_sound
    writer = save(tmp_path / f"a{target}", frames[10:35], stream.times[10:35], sound=source)
    assert not writer.remarks
    codec, tone, end = _heard(tmp_path / f"a{target}")
    assert codec == "aac"
    assert tone == pytest.approx(0.6, abs=0.03)
    assert end == pytest.approx(1.0, abs=0.03)
    times = open_stream(tmp_path / f"a{target}").times
    np.testing.assert_allclose(times, np.arange(25) / 25, atol=1e-3)


def test_sound_that_does_not_fit_is_left_out_and_told(tmp_path):
    source = write(tmp_path / "source.mkv", sound="libopus")
    writer = save(tmp_path / "a.mov", [flat(0), flat(1)], sound=source)
    (remark,) = writer.remarks
    assert "opus, is left out: .mov does not hold it: write .mkv" in remark
    assert not open_stream(tmp_path / "a.mov").has_sound
    strange = tmp_path / "strange.mkv"
    strange.write_bytes(source.read_bytes().replace(b"A_OPUS", b"A_NONE"))
    (remark,) = save(tmp_path / "c.mkv", [flat(0)], sound=strange).remarks
    assert "does not know, is left out" in remark
    assert not save(tmp_path / "b.mp4", [flat(0)], sound=write(tmp_path / "mute.mp4")).remarks


def _add_and_interrupt(writer):
    for number in range(7):
        writer.add(flat(number), number / 25)
    raise KeyboardInterrupt


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_an_exception_leaves_a_file_of_what_was_written(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    writer = VideoWriter(path, size=(H, W), colored=True, dtype=np.uint8, rate=25)
    with pytest.raises(KeyboardInterrupt), writer:
        _add_and_interrupt(writer)
    assert os.listdir(tmp_path) == [writer.partial.name]
    assert writer.partial.name.startswith("a.partial.")
    assert writer.count == 7
    assert [number_of(frame) for frame in load(writer.partial)[1]] == list(range(7))


def test_nothing_stays_of_a_video_without_frames(tmp_path):
    with (
        pytest.raises(RuntimeError),
        VideoWriter(tmp_path / "a.mp4", size=(H, W), colored=True, dtype=np.uint8, rate=25),
    ):
        raise RuntimeError
    assert not os.listdir(tmp_path)


def test_two_runs_do_not_write_one_video(tmp_path):
    options = {"size": (H, W), "colored": True, "dtype": np.uint8, "rate": 25}
    with VideoWriter(tmp_path / "a.mp4", **options) as writer:
        writer.add(flat(0), 0.0)
        with (
            pytest.raises(UserError, match=r"a\.partial\.mp4: another run is writing it"),
            VideoWriter(tmp_path / "a.mp4", **options),
        ):
            pass
        writer.add(flat(1), 0.04)
    assert os.listdir(tmp_path) == ["a.mp4"]
    assert [number_of(frame) for frame in load(tmp_path / "a.mp4")[1]] == [0, 1]


_WRITES = """
    import os, pathlib, resource, signal, sys, types
    import numpy as np
    sys.modules["ttd_jax"] = types.ModuleType("ttd_jax")  # without what its face imports
    path, end, package = sys.argv[1:]
    sys.modules["ttd_jax"].__path__ = [package]
    from ttd_jax.errors import UserError
    from ttd_jax.pictures.video.writing import VideoWriter
    frames = np.random.default_rng(0).integers(0, 256, (90, 32, 48, 3), np.uint8)
    if end == "full":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    try:
        with VideoWriter(
            pathlib.Path(path), size=(32, 48), colored=True, dtype=np.uint8, rate=5
        ) as video:
            for number, frame in enumerate(frames):
                video.add(frame, number / 5)
            if end == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
    except UserError as error:
        print(error)
"""


def _run(path, end):
    words = [str(path), end, str(REPOSITORY / "ttd_jax")]
    command = [sys.executable, "-c", textwrap.dedent(_WRITES), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_killed_process_leaves_a_file_that_opens(tmp_path, suffix):
    assert _run(tmp_path / f"a{suffix}", "kill").returncode == -signal.SIGKILL
    (partial,) = tmp_path.iterdir()
    stream = open_stream(partial)
    assert stream.count >= 20  # but for what the encoder still held
    assert sum(1 for _ in read_frames(stream, range(stream.count))) == stream.count


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit of a file's size")
def test_a_full_disk_is_told_in_one_line(tmp_path):
    result = _run(tmp_path / "a.mkv", "full")
    assert result.stderr == ""
    (line,) = result.stdout.splitlines()
    assert "a.mkv: cannot write: the disk or quota is full" in line
    assert "a.partial.mkv holds what was written" in line
    assert open_stream(tmp_path / "a.partial.mkv").count > 5


def test_encoders_say_nothing(tmp_path, capfd):
    save(tmp_path / "a.mp4", [np.zeros((64, 64, 1), np.uint16)] * 3)
    save(tmp_path / "b.mp4", [flat(0)] * 3)
    with contextlib.suppress(UserError):
        save(tmp_path / "nowhere" / "c.mp4", [flat(0)])
    assert capfd.readouterr() == ("", "")
