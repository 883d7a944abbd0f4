"""Decoding and encoding, against arrays written with OpenCV here."""

import os

import cv2
import numpy as np
import pytest

from ttd_jax.errors import UserError
from ttd_jax.pictures.images import (
    Reading,
    decode_picture,
    encode_picture,
    quantize,
    read_picture,
)


def random_pixels(channels, dtype=np.uint8, size=(13, 18)):
    top = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(0, top, (*size, channels), dtype, endpoint=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_lossless_formats_keep_every_bit(tmp_path, dtype, channels, suffix):
    pixels = random_pixels(channels, dtype)
    path = tmp_path / f"x{suffix}"
    cv2.imwrite(str(path), pixels)
    picture = read_picture(path)
    assert picture.pixels.dtype == dtype
    color = pixels[..., 2::-1] if channels > 1 else pixels
    np.testing.assert_array_equal(picture.pixels, color)
    if channels == 4:
        np.testing.assert_array_equal(picture.alpha, pixels[..., 3:])
    else:
        assert picture.alpha is None
    (tmp_path / "again").write_bytes(encode_picture(picture.pixels, suffix, picture.alpha))
    again = read_picture(tmp_path / "again")
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    np.testing.assert_array_equal(again.alpha, picture.alpha)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_other_formats_are_read(tmp_path, channels, suffix):
    pixels = np.full((16, 24, channels), 90, np.uint8) + np.arange(channels, dtype=np.uint8) * 40
    cv2.imwrite(str(tmp_path / f"x{suffix}"), pixels)
    picture = read_picture(tmp_path / f"x{suffix}")
    np.testing.assert_allclose(picture.pixels, pixels[..., ::-1], atol=4)
    assert picture.colored == (channels == 3)


def test_content_decides_not_the_name(tmp_path):
    (tmp_path / "x.png").write_bytes(cv2.imencode(".jpg", random_pixels(3))[1])
    assert read_picture(tmp_path / "x.png").size == (13, 18)


def test_equal_channels_are_gray(tmp_path):
    cv2.imwrite(str(tmp_path / "x.png"), np.repeat(random_pixels(1), 3, axis=2))
    assert not read_picture(tmp_path / "x.png").colored


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_networks_are_given_is_opencvs_gray_of_a_png(tmp_path, dtype):
    path = tmp_path / "x.png"
    cv2.imwrite(str(path), random_pixels(3, dtype))
    expected = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    gray = read_picture(path).grayed().pixels
    assert gray.dtype == dtype
    np.testing.assert_array_equal(gray[..., 0], expected)


def test_what_networks_are_given_of_a_jpeg_is_its_own_luma(tmp_path):
    data = cv2.imencode(".jpg", random_pixels(3))[1].tobytes()
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    picture = decode_picture(data, "x.jpg", reading=Reading(luma=True))
    np.testing.assert_array_equal(picture.grayed().pixels[..., 0], expected)
    assert (decode_picture(data, "x.jpg").grayed().pixels[..., 0] != expected).any()


def test_floats_are_in_the_unit_range(tmp_path):
    for dtype in (np.uint8, np.uint16):
        pixels = random_pixels(1, dtype)
        pixels[0, 0], pixels[0, 1] = 0, np.iinfo(dtype).max
        cv2.imwrite(str(tmp_path / "x.png"), pixels)
        image = read_picture(tmp_path / "x.png").as_float()
        assert image.dtype == np.float32
        assert image.min() == 0
        assert image.max() == 1
        np.testing.assert_array_equal(quantize(image, dtype), pixels)


def test_quantize_rounds_or_truncates_and_clips_first():
    image = np.array([-0.5, 0.0, 0.4999 / 255, 0.5001 / 255, 254.9 / 255, 1.0, 7.0])
    assert quantize(image, np.uint8).tolist() == [0, 0, 0, 1, 255, 255, 255]
    assert quantize(image, np.uint8, how="truncate").tolist() == [0, 0, 0, 0, 254, 255, 255]


def test_unreadable_files_are_named(tmp_path, capfd):
    good = cv2.imencode(".png", random_pixels(3, size=(60, 60)))[1].tobytes()
    jpeg = cv2.imencode(".jpg", random_pixels(3, size=(60, 60)))[1].tobytes()
    tiff = cv2.imencode(".tiff", random_pixels(3, size=(60, 60)))[1].tobytes()
    corrupt = bytearray(good)
    corrupt[len(good) // 2] ^= 0xFF
    for name, data in {
        "text.png": b"hello",
        "empty.png": b"",
        "half.png": good[: len(good) // 2],
        "short.png": good[:-12],
        "corrupt.png": bytes(corrupt),
        "half.jpg": jpeg[: len(jpeg) // 2],
        "short.jpg": jpeg[:-2],
        "half.tiff": tiff[: len(tiff) // 2],
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=name):
            read_picture(tmp_path / name)
    with pytest.raises(UserError, match="no such file"):
        read_picture(tmp_path / "none.png")
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("pipe.png", "."):
        with pytest.raises(UserError, match="is no file"):
            read_picture(tmp_path / name)
    assert capfd.readouterr().err == ""  # the codecs' own remarks are kept quiet
