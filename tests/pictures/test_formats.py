"""Files as cameras, scanners and programs write them, against the pixels that they were made of."""

import contextlib
import io
import struct
import sys
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.pictures.files import (
    ALPHA,
    GRAY,
    RGB,
    H,
    W,
    chunk,
    deep,
    exif_of,
    planes,
    saved,
    tiff,
    with_chunk,
)
from ttd_jax.errors import UserError
from ttd_jax.pictures.carried import Carried
from ttd_jax.pictures.images import Reading, decode_picture, encode_picture
from ttd_jax.pictures.ranges import Range, Scale, parse_ranges

TIFFS = {
    "planar": (tiff(planes(RGB), planarconfig="separate"), RGB),
    "planar, 16 bit": (tiff(planes(deep(RGB)), planarconfig="separate"), deep(RGB)),
    "planar, 16 bit, tiled": (
        tiff(planes(deep(RGB)), planarconfig="separate", tile=(16, 16)),
        deep(RGB),
    ),
    "tiled": (tiff(RGB, tile=(16, 16)), RGB),
    "BigTIFF": (tiff(RGB, bigtiff=True), RGB),
    "big endian": (tiff(deep(RGB), byteorder=">"), deep(RGB)),
    "zstd": (tiff(RGB, compression="zstd"), RGB),
    "deflate with predictor": (tiff(deep(RGB), compression="zlib", predictor=True), deep(RGB)),
    "white is zero": (tiff(255 - GRAY[..., 0], "miniswhite"), GRAY),
    "white is zero, 16 bit": (tiff(65535 - deep(GRAY)[..., 0], "miniswhite"), deep(GRAY)),
    "one bit": (tiff(GRAY[..., 0] > 60, "minisblack"), np.where(GRAY > 60, 255, 0)),
    "float": (tiff(GRAY[..., 0] / np.float32(255), "minisblack"), GRAY / np.float32(255)),
    "half": (tiff((GRAY[..., 0] / 255).astype(np.float16), "minisblack"), GRAY / 255),
    "32 bit": (tiff(GRAY[..., 0].astype(np.uint32) << 24, "minisblack"), GRAY / 256),
}


@pytest.mark.parametrize("kind", TIFFS)
def test_tiffs_of_every_layout(kind):
    data, expected = TIFFS[kind]
    picture = decode_picture(data, "x.tif")
    if picture.pixels.dtype == np.float32:
        np.testing.assert_allclose(picture.pixels, expected, atol=5e-4)
    else:
        assert picture.pixels.dtype == (np.uint16 if expected.dtype == np.uint16 else np.uint8)
        np.testing.assert_array_equal(picture.pixels, expected)
    assert picture.alpha is None


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize("colored", [False, True])
def test_alpha_of_tiffs(bits, kind, colored):
    color, alpha = RGB if colored else GRAY, ALPHA
    if bits == 16:
        color, alpha = deep(color), deep(alpha)
    top = 2**bits - 1
    stored = color
    if kind == "assocalpha":
        stored = (color.astype(int) * alpha // top).astype(alpha.dtype)
    data = tiff(
        np.concatenate([stored, alpha], -1), "rgb" if colored else "minisblack", extrasamples=[kind]
    )
    picture = decode_picture(data, "x.tif")
    np.testing.assert_array_equal(picture.alpha, alpha)
    if kind == "unassalpha":
        np.testing.assert_array_equal(picture.pixels, color)
    else:
        seen = alpha[..., 0] > 0
        error = np.abs(picture.pixels[seen].astype(int) - color[seen])
        assert error.max() <= top // 128 + 1  # what a product of 8 or 16 bits has lost
    again = decode_picture(encode_picture(picture.pixels, ".tiff", picture.alpha), "again.tiff")
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    np.testing.assert_array_equal(again.alpha, picture.alpha)
    assert again.pixels.dtype == picture.pixels.dtype


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 12])
def test_alpha_of_few_bits_is_as_opaque_as_other(bits):
    top, dtype = 2**bits - 1, np.uint8 if bits < 8 else np.uint16
    gray, alpha = (np.round(array * (top / 255)).astype(dtype) for array in (GRAY, ALPHA))
    samples = np.concatenate([gray, alpha], -1)
    data = tiff(samples, "minisblack", extrasamples=["unassalpha"], bitspersample=bits)
    picture = decode_picture(data, "x.tif")
    full = np.iinfo(dtype).max
    np.testing.assert_array_equal(picture.alpha, np.round(alpha / top * full))
    if bits < 8:
        np.testing.assert_array_equal(picture.pixels, np.round(gray / top * full))
    else:  # as stored, and said
        np.testing.assert_array_equal(picture.pixels, gray)
        assert "12 bits in 16" in picture.remark


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "tiff", "deep tiff", "gray tiff"])
def test_pictures_are_turned_upright(kind, orientation):
    expected = GRAY if kind == "gray tiff" else deep(RGB) if kind == "deep tiff" else RGB
    stored = expected
    if orientation >= 5:
        stored = np.swapaxes(stored, 0, 1)
    rows, columns = {1: (1, 1), 2: (1, -1), 3: (-1, -1), 4: (-1, 1)}.get(orientation, (1, 1))
    if orientation in (6, 7):  # shown: columns mirrored after the swap
        rows = -1
    if orientation in (7, 8):
        columns = -1
    stored = np.ascontiguousarray(stored[::rows, ::columns])
    if "tiff" in kind:
        tag = [(274, 3, 1, orientation, True)]
        gray = kind == "gray tiff"
        data = tiff(
            stored[..., 0] if gray else stored, "minisblack" if gray else "rgb", extratags=tag
        )
    else:
        options = {"lossless": True} if kind == "webp" else {}
        options |= {"quality": 100, "subsampling": 0} if kind == "jpeg" else {}
        exif = exif_of(orientation) if kind == "png" else b"Exif\0\0" + exif_of(orientation)
        data = saved(Image.fromarray(stored), kind, exif=exif, **options)
    picture = decode_picture(data, "x")
    tolerance = 6 if kind == "jpeg" else 0
    np.testing.assert_allclose(picture.pixels.astype(int), expected, atol=tolerance)


def test_grays_do_not_depend_on_a_gamma_that_the_file_states():
    plain = encode_picture(RGB, ".png")
    stated = with_chunk(plain, b"gAMA", struct.pack(">I", 45455))
    one, other = (decode_picture(data, "x.png") for data in (plain, stated))
    np.testing.assert_array_equal(one.pixels, other.pixels)
    np.testing.assert_array_equal(one.grayed().pixels, other.grayed().pixels)


def test_transparency_of_pngs_and_palettes():
    gray = Image.fromarray(GRAY[..., 0])
    first = int(GRAY[0, 0, 0])
    data = saved(gray, "png", transparency=first)
    picture = decode_picture(data, "x.png")
    np.testing.assert_array_equal(picture.pixels, GRAY)
    np.testing.assert_array_equal(picture.alpha, np.where(first == GRAY, 0, 255))
    wide = with_chunk(encode_picture(deep(GRAY), ".png"), b"tRNS", struct.pack(">H", 257 * first))
    picture = decode_picture(wide, "x.png")
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(picture.alpha, np.where(first == GRAY, 0, 65535))
    few = Image.fromarray(RGB).quantize(6)
    picture = decode_picture(saved(few, "png", transparency=bytes([0, 9, 255, 5, 0, 9])), "x.png")
    assert set(picture.alpha.ravel()) == {0, 5, 9, 255}
    palette = Image.fromarray(RGB).quantize(32)
    data = saved(palette, "png", transparency=3)
    picture = decode_picture(data, "x.png")
    np.testing.assert_array_equal(picture.pixels, np.asarray(palette.convert("RGB")))
    assert (picture.alpha == 0).any()


def png(samples, bits, kind, *chunks):
    """A PNG of integers [H, W, C] as they are to be stored."""
    single = samples[..., None] >> np.arange(bits)[::-1] & 1
    stored = np.packbits(single.astype(np.uint8).reshape(H, -1), axis=1)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, bits, kind, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(np.insert(stored, 0, 0, axis=1).tobytes()))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("bits", "kind"), [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2)]
)
def test_the_transparent_value_of_a_png_is_of_its_own_depth(bits, kind):
    top = 2**bits - 1
    samples = ((RGB if kind else GRAY).astype(int) * top + 127) // 255
    value = samples[3, 3].astype(">u2").tobytes()
    picture = decode_picture(png(samples, bits, kind, chunk(b"tRNS", value)), "x.png")
    factor = 1 if bits > 4 else 255 // top
    np.testing.assert_array_equal(picture.pixels, samples * factor)
    clear = (samples == samples[3, 3]).all(-1, keepdims=True)
    np.testing.assert_array_equal(picture.alpha, np.where(clear, 0, 65535 if bits > 8 else 255))


def test_kinds_that_opencv_lacks_are_read_by_pillow():
    data = saved(Image.fromarray(RGB).convert("CMYK"), "tiff")
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(decode_picture(data, "x.tif").pixels, expected)
    tags = {274: 3, 700: b'<x tiff:Orientation="3"/>'}
    data = saved(Image.fromarray(RGB).convert("CMYK"), "tiff", tiffinfo=tags)
    picture = decode_picture(data, "x.tif")
    np.testing.assert_array_equal(picture.pixels, expected[::-1, ::-1])
    data = saved(Image.fromarray(RGB).quantize(16), "gif")
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(decode_picture(data, "x.gif").pixels, expected)


def test_several_pictures_in_a_file_are_never_one_of_them_without_a_word():
    pages = np.stack([GRAY[..., 0], 255 - GRAY[..., 0]])
    data = tiff(pages, "minisblack")
    with pytest.raises(UserError, match=r"holds 2 pictures: .*--pages"):
        decode_picture(data, "x.tif")
    np.testing.assert_array_equal(
        decode_picture(data, "x.tif", page=1).pixels[..., 0], 255 - GRAY[..., 0]
    )
    with pytest.raises(UserError, match="no page 3"):
        decode_picture(data, "x.tif", page=2)
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    data = saved(frames[0], "png", save_all=True, append_images=frames[1:], duration=50)
    with pytest.raises(UserError, match="holds 2 pictures"):
        decode_picture(data, "x.png")
    np.testing.assert_array_equal(decode_picture(data, "x.png", page=1).pixels, 255 - RGB)


def test_more_bands_than_three_are_chosen():
    data = tiff(np.concatenate([RGB, GRAY], -1), extrasamples=["unspecified"])
    with pytest.raises(UserError, match="has 4 bands: pass --bands"):
        decode_picture(data, "x.tif")
    picture = decode_picture(data, "x.tif", reading=Reading(bands=(3, 2, 1)))
    np.testing.assert_array_equal(picture.pixels, RGB[..., ::-1])
    assert picture.alpha is None
    picture = decode_picture(data, "x.tif", reading=Reading(bands=(4,)))
    np.testing.assert_array_equal(picture.pixels, GRAY)
    with pytest.raises(UserError, match=r"no band 5.*--bands, which hold for every source"):
        decode_picture(data, "x.tif", reading=Reading(bands=(5,)))


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_bands_are_chosen_of_colors_too(suffix):
    data = encode_picture(RGB, suffix, ALPHA)
    picture = decode_picture(data, "x", reading=Reading(bands=(3, 2, 1)))
    np.testing.assert_array_equal(picture.pixels, RGB[..., ::-1])
    np.testing.assert_array_equal(picture.alpha, ALPHA)
    picture = decode_picture(data, "x", reading=Reading(bands=(1,)))
    np.testing.assert_array_equal(picture.pixels, RGB[..., :1])
    with pytest.raises(UserError, match="no band 4"):
        decode_picture(data, "x", reading=Reading(bands=(4,)))
    gray = decode_picture(encode_picture(GRAY, suffix), "x", reading=Reading(bands=(4,)))
    np.testing.assert_array_equal(gray.pixels, GRAY)  # there is nothing to choose


def test_a_jpegs_own_luma_is_not_that_of_other_bands():
    data = saved(Image.fromarray(RGB), "jpeg")
    picture = decode_picture(data, "x", reading=Reading(bands=(3, 2, 1), luma=True))
    assert picture.luma is None


@pytest.mark.parametrize("bands", [(), (0,), (1, 2), (1.5,), ("x",), (1, 2, 3, 4)])
def test_bands_are_one_or_three(bands):
    with pytest.raises(UserError, match="one or three"):
        Reading(bands=bands)


def test_values_whose_range_is_unknown_are_asked_for():
    celsius = (GRAY[..., 0] / np.float32(10)) - 5
    data = tiff(celsius, "minisblack")
    with pytest.raises(UserError, match=r"float32 values from -5 to .*--range"):
        decode_picture(data, "x.tif")
    picture = decode_picture(data, "x.tif", chosen=Range("data"))
    assert (picture.pixels.min(), picture.pixels.max()) == (0, 1)
    np.testing.assert_allclose(picture.scale.invert(picture.pixels)[..., 0], celsius, atol=1e-5)
    signed = tiff((GRAY[..., 0].astype(np.int16) * 40 - 900), "minisblack")
    with pytest.raises(UserError, match="int16 values"):
        decode_picture(signed, "x.tif")
    broken = celsius.copy()
    broken[3, 4] = np.nan
    with pytest.raises(UserError, match="no numbers"):
        decode_picture(tiff(broken, "minisblack"), "x.tif", chosen=Range("data"))


def test_pixels_without_data_are_no_values():
    def file(values, nodata="-9999"):
        return tiff(values, "minisblack", extratags=[(42113, 2, 0, nodata, True)])

    heights = GRAY[..., 0] / np.float32(255)
    assert decode_picture(file(heights), "x.tif").remark is None
    heights[2, 3] = -9999
    for chosen in (Range(), Range("data"), Range("values", 0, 1)):  # as NaN is
        with pytest.raises(UserError, match=r"without data \(GDAL_NODATA is -9999\): replace"):
            decode_picture(file(heights), "x.tif", chosen=chosen)
    counts = np.where(GRAY[..., 0] > 90, 0, GRAY[..., 0] + 100).astype(np.uint16)
    for chosen in (Range("data"), Range("percentile", 1, 99)):
        with pytest.raises(UserError, match="without data"):
            decode_picture(file(counts, "0"), "x.tif", chosen=chosen)
    picture = decode_picture(file(counts, "0"), "x.tif", chosen=Range("values", 100, 200))
    assert "without data" in picture.remark
    assert decode_picture(file(counts, "none"), "x.tif", chosen=Range("data")).remark is None


def test_kinds_of_values_that_are_no_picture_are_named():
    with pytest.raises(UserError, match="complex values"):
        decode_picture(tiff(GRAY[..., 0] * np.complex64(1j), "minisblack"), "x.tif")
    volume = tiff(np.stack([GRAY[..., 0]] * 16), "minisblack", volumetric=True, tile=(16, 16, 16))
    with pytest.raises(UserError, match="volume of 16 slices"):
        decode_picture(volume, "x.tif")
    for samples, code, name in ((RGB, 8, "CIELAB"), (GRAY[..., 0], 32803, "CFA")):
        with pytest.raises(UserError, match=f"{name} colors: convert it to RGB"):
            decode_picture(tiff(samples, code), "x.tif")
    file = io.BytesIO(tiff(GRAY[..., 0].astype(np.int8), "miniswhite"))
    with tifffile.TiffFile(file, mode="r+b") as opened:
        opened.pages[0].tags[339].overwrite(3)  # floats, of eight bits
    with pytest.raises(UserError, match="values of 8 bits"):
        decode_picture(file.getvalue(), "x.tif")


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "u1", "u2", "u4", "u8", "i2", "i4"])
def test_colors_that_were_multiplied_by_alpha_are_divided(dtype):
    top = 1.0 if dtype[0] == "f" else float(np.iinfo(dtype).max)
    unit = np.concatenate([RGB // 2, np.full_like(GRAY, 128)], -1) / 255
    data = tiff((unit * top).astype(dtype), extrasamples=["assocalpha"])
    chosen = Range("values", 0, top) if dtype[0] == "i" else Range()
    picture = decode_picture(data, "x.tif", chosen=chosen)
    expected = np.clip(RGB // 2 / 128, 0, 1)
    np.testing.assert_allclose(picture.as_float(), expected, atol=0.008 if dtype == "u1" else 1e-3)


def test_values_that_use_little_of_their_type_are_remarked():
    counts = 7300 + 3 * GRAY.astype(np.uint16)
    picture = decode_picture(encode_picture(counts, ".png"), "thermal.png")
    np.testing.assert_array_equal(picture.pixels, counts)
    assert f"from {counts.min()} to {counts.max()}" in picture.remark
    assert "--range=" in picture.remark
    assert decode_picture(encode_picture(deep(GRAY), ".png"), "x.png").remark is None
    picture = decode_picture(encode_picture(counts, ".png"), "x.png", chosen=Range("data"))
    assert picture.remark is None
    assert picture.depth == np.uint16
    np.testing.assert_array_equal(picture.scale.invert(picture.pixels), counts)


@pytest.mark.parametrize(("low", "remarked"), [(-20, True), (300, True), (70, False)])
def test_a_range_that_misses_the_values_is_remarked(low, remarked):
    data = encode_picture(GRAY.astype(np.uint16) + 50, ".png")
    remark = decode_picture(data, "x.png", chosen=Range("values", low, low + 65)).remark
    assert bool(remark) == remarked
    if remarked:
        assert f"0.0% of its values lie in {low},{low + 65}" in remark


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_what_a_file_carries_stays(suffix):
    profile = bytearray(128)
    profile[16:20] = b"RGB "
    carried = Carried(bytes(profile), exif_of(1), (300.0, 150.0), {"Artist": "Ada Lovelace"})
    data = encode_picture(RGB, suffix, carried=carried)
    picture = decode_picture(data, "x")
    np.testing.assert_array_equal(picture.pixels, RGB)
    assert picture.carried.icc == bytes(profile)
    assert picture.carried.dpi == pytest.approx((300, 150), rel=1e-3)
    assert picture.carried.text["Artist"] == "Ada Lovelace"
    if suffix == ".png":
        assert picture.carried.exif == exif_of(1)
        # The pixels are the bytes that they are without it.
        assert data.endswith(encode_picture(RGB, suffix)[33:])
    gray = decode_picture(encode_picture(GRAY, suffix, carried=carried), "x")
    assert gray.carried.icc is None  # a profile of colors is none of grays


def test_exif_of_a_turned_picture_says_upright():
    data = saved(Image.fromarray(RGB), "png", exif=exif_of(6))
    picture = decode_picture(data, "x.png")
    again = decode_picture(encode_picture(picture.pixels, ".png", carried=picture.carried), "x")
    np.testing.assert_array_equal(again.pixels, picture.pixels)


def test_geotiff_tags_stay():
    geo = [(33550, 12, 3, (30.0, 30.0, 0.0)), (34735, 3, 4, (1, 1, 0, 0))]
    data = tiff(RGB, extratags=[(*tag, True) for tag in geo])
    picture = decode_picture(data, "x.tif")
    again = decode_picture(encode_picture(picture.pixels, ".tiff", carried=picture.carried), "x")
    assert again.carried.geo == picture.carried.geo
    assert {code: value for code, _, _, value in again.carried.geo} == {
        33550: (30.0, 30.0, 0.0),
        34735: (1, 1, 0, 0),
    }


def test_damage_of_any_kind_is_a_mistake_of_the_users_or_nothing():
    generator = np.random.default_rng(0)
    whole = [data for data, _ in TIFFS.values()]
    whole += [encode_picture(RGB, ".png"), cv2.imencode(".jpg", RGB)[1].tobytes()]
    whole += [saved(Image.fromarray(RGB), kind) for kind in ("webp", "gif", "bmp")]
    for data in whole:
        for _ in range(6):
            damaged = bytearray(data)
            for place in generator.integers(0, len(data), 4):
                damaged[place] ^= int(generator.integers(1, 256))
            cut = bytes(damaged)[: generator.integers(1, len(data))]
            for content in (bytes(damaged), cut):
                with contextlib.suppress(UserError):  # some damage shows in no format
                    decode_picture(content, "x", chosen=Range("data"))


def dng(counts):
    """A camera's RAW file u16[h, w] of counts up to 16383, red and blue where Bayer has them."""
    identity = tuple(number for i in range(9) for number in (int(i % 4 == 0), 1))
    tags = [
        (50706, 1, 4, (1, 4, 0, 0)),
        (50708, 2, 0, "Test"),
        (33421, 3, 2, (2, 2)),
        (33422, 1, 4, (0, 1, 1, 2)),
        (50717, 4, 1, 16383),
        (50721, 10, 9, identity),
        (50728, 5, 3, (1, 1) * 3),
        (50778, 3, 1, 21),
    ]
    return tiff(counts, 32803, extratags=[(*tag, True) for tag in tags])


def test_raw_files_of_cameras_are_developed_alike():
    pytest.importorskip("rawpy")
    counts = (2000 + np.mgrid[:64, :96][1] * 60).astype(np.uint16)
    bright, dark = (decode_picture(dng(c), "x.dng") for c in (counts, counts // 2))
    assert bright.pixels.dtype == np.uint16
    assert bright.size == (64, 96)
    # A bracket keeps its exposures: nothing is brightened by itself.
    assert dark.pixels.mean() < 0.85 * bright.pixels.mean()
    with pytest.raises(UserError, match="not an image"):
        decode_picture(b"II*\0 hello", "x.dng")


@pytest.mark.parametrize("bits", [8, 10])
def test_heic_files_of_phones_are_read(bits):
    heif = pytest.importorskip("pillow_heif")
    smooth = np.repeat(np.repeat(RGB[:8, :8], 8, 0), 8, 1)
    samples = deep(smooth) if bits > 8 else smooth
    file = io.BytesIO()
    mode = "RGB;16" if bits > 8 else "RGB"
    heif.encode(mode, (64, 64), samples.tobytes(), file, quality=-1)
    picture = decode_picture(file.getvalue(), "x.heic")
    assert picture.pixels.dtype == (np.uint16 if bits > 8 else np.uint8)
    np.testing.assert_allclose(picture.as_bytes().astype(int), smooth, atol=3)


@pytest.mark.parametrize(
    ("name", "package", "extra"), [("x.dng", "rawpy", "raw"), ("x", "pillow_heif", "heif")]
)
def test_what_such_files_need_is_named(monkeypatch, name, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"pip install 'ttd-jax\[{extra}\]'"):
        decode_picture(b"\0\0\0\x18ftypheic" + bytes(20), name)


def test_cmyk_jpegs_and_the_first_frame_of_an_animation_are_read():
    image = Image.fromarray(np.full((H, W, 3), 90, np.uint8)).convert("CMYK")
    picture = decode_picture(saved(image, "jpeg", quality=95), "x.jpg")
    np.testing.assert_allclose(picture.as_bytes().astype(int), 90, atol=4)
    with pytest.raises(UserError, match="damaged"):
        decode_picture(saved(image, "jpeg")[:-60], "x.jpg")
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    data = saved(frames[0], "png", save_all=True, append_images=frames[1:], duration=50)
    np.testing.assert_array_equal(decode_picture(data, "x.png", page=0).pixels, RGB)


def test_bmp_of_sixteen_bits_is_as_bright_as_others():
    stored = (RGB.astype(int) >> (3, 2, 3)) @ (1 << np.array([11, 5, 0]))
    rows = np.zeros((H, W + W % 2), "<u2")
    rows[:, :W] = stored[::-1]
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    info = struct.pack("<IiiHHIIiiII", 40, W, H, 1, 16, 3, rows.nbytes, 0, 0, 0, 0)
    data = b"BM" + struct.pack("<IHHI", 66 + rows.nbytes, 0, 0, 66) + info + masks + rows.tobytes()
    picture = decode_picture(data, "x.bmp")
    assert picture.pixels.max() == 255
    np.testing.assert_allclose(picture.pixels.astype(int), RGB, atol=8)


def test_bits_of_a_pgm_are_told():
    counts = GRAY[..., 0].astype(np.uint16) * 16
    data = b"P5 %d %d 4095\n" % (W, H) + counts.astype(">u2").tobytes()
    picture = decode_picture(data, "x.pgm")
    np.testing.assert_array_equal(picture.pixels[..., 0], counts)
    assert "12 bits in 16: --range=0,4095" in picture.remark


def test_pam_files_whose_colors_opencv_exchanges_are_refused():
    head = f"P7\nWIDTH {W}\nHEIGHT {H}\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n"
    with pytest.raises(UserError, match="PAM files cannot be read: save it as PNG or PPM"):
        decode_picture(head.encode() + RGB.tobytes(), "x.pam")


def test_orientation_of_a_png_behind_its_pixels():
    late = with_chunk(encode_picture(RGB, ".png"), b"eXIf", exif_of(3), -12)
    picture = decode_picture(late, "x.png")
    np.testing.assert_array_equal(picture.pixels, RGB[::-1, ::-1])


def test_resolution_turns_with_the_picture_and_a_place_on_earth_is_left_out():
    tags = [(274, 3, 1, 6, True), (33550, 12, 3, (30.0, 20.0, 0.0), True)]
    data = tiff(RGB, extratags=tags, resolution=(300, 150), resolutionunit="inch")
    carried = decode_picture(data, "x.tif").carried
    assert carried.dpi == (150, 300)
    assert carried.geo == ()


@pytest.mark.parametrize("words", ["\u00a9 Ren\u00e9", "plain"])
def test_text_of_any_letters_is_carried_into_a_tiff(words):
    data = encode_picture(RGB, ".tiff", carried=Carried(text={"Copyright": words}))
    assert decode_picture(data, "x").carried.text == {"Copyright": words}


def test_tiffs_that_lack_pixels_or_have_white_zeros_that_cannot_be_inverted_are_refused():
    data = tiff(RGB, rowsperstrip=4)
    with pytest.raises(UserError, match="damaged"):
        decode_picture(data[:-5], "x.tif")
    with pytest.raises(UserError, match="zero is white"):
        decode_picture(tiff(GRAY[..., 0] / np.float32(255), "miniswhite"), "x.tif")


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.int32, np.uint32, np.int8])
def test_values_come_back_in_every_type(dtype):
    limits = np.iinfo(dtype)
    scale = Scale(float(limits.min), float(limits.max), np.dtype(dtype).name)
    back = scale.invert(np.array([[[0.0], [1.0]]], np.float32))
    assert back.ravel().tolist() == [limits.min, limits.max]
    data = encode_picture(back, ".tiff")
    assert tifffile.imread(io.BytesIO(data)).tolist() == [[limits.min, limits.max]]


@pytest.mark.filterwarnings("error")
def test_ranges_that_no_float_spans_are_refused():
    values = np.array([[-1.7e308, 1.7e308]])
    with pytest.raises(UserError, match="span too much"):
        decode_picture(tiff(values, "minisblack"), "x.tif", chosen=Range("data"))
    for text in ("-1e308,1e308", "1e-320,2e-320"):
        with pytest.raises(UserError, match="a range is"):
            parse_ranges(text)
    assert [str(r) for r in parse_ranges("0.1234567891,2")] == ["0.1234567891,2"]
