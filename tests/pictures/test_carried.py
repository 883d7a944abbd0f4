"""What files carry beside their pixels, behind them too, and what turning does to it."""

import struct

import numpy as np
import pytest
from PIL import Image

from tests.pictures.files import RGB, H, W, exif_of, saved, tiff, with_chunk
from ttd_jax.pictures.carried import orientation, upright
from ttd_jax.pictures.images import decode_picture, encode_picture

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description exif:PixelXDimension="17" '
    b'exif:PixelYDimension="12" tiff:Orientation="%d"/></x:xmpmeta>'
)


def again(picture, suffix):
    data = encode_picture(picture.pixels, suffix, carried=picture.carried)
    return decode_picture(data, f"again{suffix}")


@pytest.mark.parametrize("place", [33, -12])
def test_words_of_a_png_are_carried_from_before_and_behind_its_pixels(place):
    data = with_chunk(encode_picture(RGB, ".png"), b"tEXt", b"Artist\0Ada Lovelace", place)
    data = with_chunk(data, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP % 1, place)
    picture = decode_picture(data, "x.png")
    np.testing.assert_array_equal(picture.pixels, RGB)
    for suffix in (".png", ".tiff"):
        found = again(picture, suffix).carried
        assert found.text == {"Artist": "Ada Lovelace"}
        assert found.xmp == XMP % 1


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "tiff"])
@pytest.mark.parametrize("turned", [1, 6])
def test_xmp_is_carried_and_turned(kind, turned):
    if kind == "tiff":
        tags = [(700, 1, len(XMP % turned), XMP % turned, True), (274, 3, 1, turned, True)]
        data = tiff(RGB, extratags=tags)
    elif kind == "png":
        text = b"XML:com.adobe.xmp\0\0\0\0\0" + XMP % turned
        data = with_chunk(encode_picture(RGB, ".png"), b"iTXt", text)
    else:
        data = saved(Image.fromarray(RGB), kind, xmp=XMP % turned)
    picture = decode_picture(data, "x")
    expected = XMP % 1
    if turned == 6:
        assert picture.size == (W, H)
        expected = expected.replace(b"XD", b"?").replace(b"YD", b"XD").replace(b"?", b"YD")
    for suffix in (".png", ".tiff"):
        found = again(picture, suffix)
        assert found.carried.xmp == expected
        np.testing.assert_array_equal(found.pixels, picture.pixels)


@pytest.mark.parametrize("order", ["<", ">"])
def test_sides_that_exif_tells_turn_with_the_picture(order):
    def sides(exif):
        return [struct.unpack_from(order + "HHII", exif, place)[::3] for place in (40, 52)]

    exif = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, 2)
    exif += struct.pack(order + "HHIHH", 0x0112, 3, 1, 6, 0)
    exif += struct.pack(order + "HHII", 0x8769, 4, 1, 38) + bytes(4)
    exif += struct.pack(order + "H", 2)
    exif += struct.pack(order + "HHIIHHII", 0xA002, 4, 1, W, 0xA003, 4, 1, H) + bytes(4)
    turned = upright(exif, 6)
    assert orientation(turned) == 1
    assert sides(turned) == [(0xA002, H), (0xA003, W)]
    assert sides(upright(exif, 3)) == [(0xA002, W), (0xA003, H)]
    picture = decode_picture(saved(Image.fromarray(RGB), "png", exif=exif), "x.png")
    assert picture.size == (W, H)
    assert picture.carried.exif == turned
    for cut in range(len(exif)):  # which is damaged, and is nobody's fault
        upright(exif[:cut], 6)
    looped = exif.replace(struct.pack(order + "I", 38), struct.pack(order + "I", 8))
    assert orientation(upright(looped, 6)) == 1
    assert upright(exif_of(1), 1) == exif_of(1)
