import gc
import itertools

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.pictures.video.videos import H, W, flat, number_of, write
from ttd_jax.errors import UserError
from ttd_jax.pictures.video import packets, pixels, reading
from ttd_jax.pictures.video.reading import read_frames
from ttd_jax.pictures.video.streams import open_stream

pytest.importorskip("av")


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """200 frames, whose key frames are 10 apart, and leading pictures between them."""
    frames = [np.full((H, W, 3), number, np.uint8) for number in range(200)]
    path = tmp_path_factory.mktemp("long") / "a.mp4"
    options = {"g": "10", "crf": "0", "x264-params": "open-gop=1"}
    return open_stream(write(path, frames, options=options, pixel_format="yuvj444p"))


def _levels(frames):
    return [round(float(frame.mean())) for frame in frames]


def test_frames_are_those_of_their_numbers(long):
    wanted = [0, 0, 3, 3, 3, 90, 91, 155, 199]
    assert _levels(read_frames(long, wanted)) == wanted
    assert _levels(read_frames(long, range(200))) == list(range(200))
    assert _levels(read_frames(long, [])) == []


def test_far_frames_are_reached_from_the_key_frame_before(long, monkeypatch):
    seen = []

    def counting(*arguments):
        for frame in packets.decode(*arguments):
            seen.append(frame)
            yield frame

    monkeypatch.setattr(reading, "decode", counting)
    assert _levels(read_frames(long, [150, 151])) == [150, 151]
    assert len(seen) < 25
    seen.clear()
    assert _levels(read_frames(long, [0, 188])) == [0, 188]
    assert len(seen) < 25


def test_frames_are_decoded_once_and_only_as_they_are_asked_for(long, monkeypatch):
    made, real = [], pixels.to_array
    monkeypatch.setattr(pixels, "to_array", lambda frame, turn: made.append(1) or real(frame, turn))
    frames = read_frames(long, [5, 5, 5, 6, 7])
    first = list(itertools.islice(frames, 3))
    assert first[0] is first[1] is first[2]
    assert len(made) == 1
    next(frames)
    assert len(made) == 2


def test_no_frame_outlives_the_next(long):
    """Without cyclic garbage, of which the collector would leave hundreds of frames in memory."""
    gc.collect()
    gc.disable()
    try:
        for _ in read_frames(long, range(60)):
            pass
        left = [one for one in gc.get_objects() if type(one).__name__ == "VideoFrame"]
    finally:
        gc.enable()
    assert len(left) < 5


def test_numbers_ascend_and_are_there(long):
    with pytest.raises(ValueError, match="order"):
        next(read_frames(long, [3, 2]))
    with pytest.raises(ValueError, match="0 to 199"):
        next(read_frames(long, [200]))


def test_damage_is_told_with_its_time_after_the_frames_before_it(tmp_path, capfd):
    import av

    y, x = np.mgrid[:H, :W]
    frames = [np.stack([(3 * x + 2 * y + 9 * n) % 256] * 3, -1).astype(np.uint8) for n in range(20)]
    path = write(tmp_path / "a.mp4", frames, options={"bf": "0", "g": "5"})
    with av.open(str(path)) as container:
        place, size = [(p.pos, p.size) for p in container.demux(video=0) if p.size][10]
    data = bytearray(path.read_bytes())
    data[place + size // 3 : place + size // 2] = b"\x5a" * (size // 2 - size // 3)
    path.write_bytes(data)
    stream = open_stream(path)
    given = read_frames(stream, range(stream.count))
    assert sum(1 for _ in itertools.islice(given, 10)) == 10
    with pytest.raises(UserError, match=r"at 0\.40 s: is damaged: end before it"):
        next(given)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        ({"degrees": 90}, lambda frame: np.rot90(frame)),
        ({"degrees": 180}, lambda frame: np.rot90(frame, 2)),
        ({"degrees": -90}, lambda frame: np.rot90(frame, -1)),
        ({"degrees": 0, "hflip": True}, lambda frame: frame[:, ::-1]),
        ({"degrees": 0, "vflip": True}, lambda frame: frame[::-1]),
    ],
)
def test_turned_videos_are_upright(tmp_path, turn, expected):
    """A rotation is counterclockwise, as FFmpeg's documentation of the display matrix has it."""
    picture = np.full((H, W, 3), 40, np.uint8)
    picture[:8, :8], picture[:8, -8:] = 250, 150
    plain, turned = (
        next(read_frames(open_stream(path), [0]))
        for path in (
            write(tmp_path / "plain.mp4", [picture] * 3),
            write(tmp_path / "turned.mp4", [picture] * 3, turn=turn),
        )
    )
    np.testing.assert_array_equal(turned, expected(plain))


def test_gray_pictures_among_colored_ones_have_three_channels(tmp_path):
    Image.fromarray(flat(1)).save(tmp_path / "1.png")
    Image.fromarray(flat(2)[..., 0]).save(tmp_path / "2.png")
    frames = list(read_frames(open_stream(tmp_path), [0, 1]))
    assert [frame.shape for frame in frames] == [(H, W, 3)] * 2
    assert number_of(frames[1]) == 2


@pytest.mark.parametrize(
    ("second", "named"),
    [
        (np.zeros((H, W + 1), np.uint8), "is 49x32 but the first frame 48x32"),
        (np.zeros((H, W), np.uint16), "has uint16 values"),
        (np.tile(np.array([1, 2, 3], np.uint8), (H, W, 1)), "has color"),
    ],
)
def test_pictures_unlike_the_first_are_refused_by_name(tmp_path, second, named):
    for name, picture in (("1.png", np.zeros((H, W), np.uint8)), ("2.png", second)):
        Image.fromarray(picture).save(tmp_path / name)
    frames = read_frames(open_stream(tmp_path), [0, 1])
    next(frames)
    with pytest.raises(UserError, match=named) as refused:
        next(frames)
    assert str(refused.value).startswith(str(tmp_path / "2.png"))


def test_pages_of_floats_are_as_stored(tmp_path):
    degrees = np.linspace(-20, 40, 3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5)
    tifffile.imwrite(tmp_path / "a.tif", degrees, photometric="minisblack")
    stream = open_stream(tmp_path / "a.tif")
    assert stream.depth == np.float32
    np.testing.assert_array_equal(np.stack(list(read_frames(stream, range(3))))[..., 0], degrees)


def test_a_damaged_page_is_told_by_its_number(tmp_path):
    values = np.zeros((3, 64, 64), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", compression="lzw")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        place = file.pages[1].dataoffsets[0]
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[place : place + 8] = b"\xff" * 8
    (tmp_path / "a.tif").write_bytes(data)
    frames = read_frames(open_stream(tmp_path / "a.tif"), range(3))
    next(frames)
    with pytest.raises(UserError, match=r"a\.tif, page 2: truncated or damaged"):
        next(frames)
