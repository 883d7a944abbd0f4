"""Files that lack a part are refused: what a codec fills in is no picture."""

import contextlib
import io

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.pictures.files import GRAY, deep, planes, saved, tiff
from ttd_jax.errors import UserError
from ttd_jax.pictures.images import decode_picture

NOISE = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)
_IMAGE = Image.fromarray(NOISE)
_PALETTE = _IMAGE.quantize(16)
CODECS = (None, "lzw", "zlib", "zstd", "packbits", "jpeg")
FILES = {
    **{kind: saved(_IMAGE, kind) for kind in ("png", "jpeg", "webp", "bmp", "jpeg2000")},
    "progressive": saved(_IMAGE, "jpeg", progressive=True),
    "CMYK": saved(_IMAGE.convert("CMYK"), "jpeg"),
    "lossless webp": saved(_IMAGE, "webp", lossless=True),
    "transparent png": saved(_PALETTE, "png", transparency=3),
    "palette bmp": saved(_PALETTE, "bmp"),
    "png of 16 bits": cv2.imencode(".png", deep(NOISE))[1].tobytes(),
    "jpeg2000 of 16 bits": imagecodecs.jpeg2k_encode(deep(NOISE)[..., 0], level=0),
    **{f"{codec} tiff": tiff(NOISE, compression=codec, rowsperstrip=16) for codec in CODECS},
    **{f"{codec} tiles": tiff(NOISE, compression=codec, tile=(16, 16)) for codec in CODECS},
    "directory last": saved(_IMAGE, "tiff", compression="tiff_lzw"),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_that_are_cut_anywhere_are_refused(kind):
    data = FILES[kind]
    assert decode_picture(data, "whole").size == (40, 48)
    for share in (0.0005, 0.005, 0.05, 0.3, 0.6, 0.9):
        with pytest.raises(UserError, match=r"part: .*damaged"):
            decode_picture(data[: -max(4, int(share * len(data)))], "part")


def changed(data, change):
    """The TIFF with other values of tags: code -> function of the value."""
    file = io.BytesIO(data)
    with tifffile.TiffFile(file, mode="r+b") as opened:
        for code, function in change.items():
            tag = opened.pages[0].tags.get(code)
            if tag is not None:
                tag.overwrite(function(tag.value))
    return file.getvalue()


def but_the_last(value):
    return value[:-1]


def shorter(value):
    return (*value[:-1], value[-1] * 2 // 3)


CHANGES = {
    "no last strip": dict.fromkeys((273, 279, 324, 325), but_the_last),
    "more rows": {257: lambda rows: rows + 32},
    "shorter strips": {279: shorter, 325: shorter},
}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("layout", ["strips", "tiles", "planes"])
def test_tiffs_that_lack_rows_strips_or_bytes_of_them_are_refused(codec, change, layout):
    options = {
        "strips": {"rowsperstrip": 16},
        "tiles": {"tile": (16, 16)},
        "planes": {"planarconfig": "separate"},
    }
    samples = planes(NOISE) if layout == "planes" else NOISE
    data = changed(tiff(samples, compression=codec, **options[layout]), CHANGES[change])
    if codec is None and change == "shorter strips" and layout != "tiles":
        return  # whose pixels are all there
    with pytest.raises(UserError, match="damaged"):
        decode_picture(data, "x.tif")


@pytest.mark.parametrize("code", [256, 257, 258, 259, 262, 274, 277, 278, 279, 284, 317])
@pytest.mark.parametrize("value", [0, 65535, (1, 2)])
def test_tags_of_any_value_end_in_a_picture_or_a_line(code, value):
    data = tiff(NOISE, compression="lzw", rowsperstrip=16, predictor=True)
    data = changed(data, {code: lambda _: value})
    with contextlib.suppress(UserError):
        decode_picture(data, "x.tif")


def test_one_strip_that_tells_fewer_rows_than_it_has_is_read():
    data = changed(tiff(GRAY[..., 0], "minisblack"), {278: lambda rows: 1})
    np.testing.assert_array_equal(decode_picture(data, "x.tif").pixels, GRAY)
