"""Image files other than TIFF: OpenCV's codecs, Pillow's where those fall short, and cameras'.

OpenCV decodes 16-bit PNGs and, bit for bit, what the published figures were made with. Pillow tells
what a file carries, and decodes formats and kinds of transparency that OpenCV does not.
"""

import contextlib
import io
import os
import struct
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from ttd_jax.errors import UserError, explain_missing
from ttd_jax.pictures.carried import XMP_KEY, Carried, orientation, upright, upright_xmp
from ttd_jax.pictures.raster import Raster, choose_page

RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf")
_JPEG = b"\xff\xd8"
_PNG = b"\x89PNG\r\n\x1a\n"
_WIDEST = 1_000_000  # libpng's own bound
_STRICT = ("PNG", "JPEG", "MPO")  # OpenCV reads them all; Pillow shows what is left of cut ones
_HEIF = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_EXIF = b"Exif\0\0"
_PROFILE = "Raw profile type exif"
_BESIDE = (b"tEXt", b"zTXt", b"iTXt", b"eXIf")  # chunks that may stand behind a PNG's pixels
_LOCK = threading.Lock()


def is_heif(data: bytes) -> bool:
    """Whether a file is HEIC or HEIF."""
    return data[4:8] == b"ftyp" and data[8:12] in _HEIF


def count_frames(data: bytes) -> int:
    """How many pictures an animation holds; 1 for any other file."""
    with _pillow(data) as image:
        return _frames(image)


def read_coded(data: bytes, name: str, page: int | None, *, luma: bool = False) -> Raster | None:
    """Decodes a PNG, JPEG, BMP, WebP, GIF or whatever else OpenCV or Pillow reads.

    Args:
      data: the file's content.
      name: for messages.
      page: of an animation, from 0; None where there must be only one.
      luma: whether a JPEG's own Y is wanted too.

    Returns:
      A `Raster`; None if the file is truncated, damaged or no image.

    Raises:
      UserError: an animation, and no page was chosen; a PAM file.
    """
    if data.startswith(b"P7"):  # OpenCV exchanges red and blue
        raise UserError(f"{name}: PAM files cannot be read: save it as PNG or PPM")
    with _pillow(_beside_first(data)) as image:
        frame = choose_page(name, _frames(image), page)
        carried, turned = _carried(image)
        left, bits = _left_to_pillow(image), _bits(image)
        samples = None if left else _opencv(data, _flags(data))
        if samples is None and not left and _is_cut(image):
            return None
        if samples is None or (_transparent(image) and samples.shape[2] < 4):
            alpha = _one_transparent(samples, data)
            if alpha is None:
                samples = _with_transparency(samples, image, frame)
            else:
                rgb = np.broadcast_to(samples, (*samples.shape[:2], 3))
                samples = np.concatenate([rgb, alpha], axis=2)
    if samples is None:
        return None
    own = None
    if luma and data.startswith(_JPEG):
        own = _opencv(data, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    bits = bits if samples.dtype == np.uint16 else None
    return Raster(*_without_alpha(samples), turned, carried, bits, luma=own)


def read_raw(data: bytes, name: str) -> Raster:
    """Develops a camera's RAW file: its white balance, no automatic brightness, u16 sRGB.

    Raises:
      UserError: rawpy is not installed.
      ValueError: it cannot be read.
    """
    with explain_missing(f"{name}: a camera's RAW file", "raw"):
        import rawpy
    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            return Raster(raw.postprocess(use_camera_wb=True, no_auto_bright=True, output_bps=16))
    except rawpy.LibRawError as error:
        raise ValueError(str(error)) from error


def read_heif(data: bytes, name: str) -> Raster:
    """Decodes a HEIC or HEIF file: u8, or u16 where it has more than 8 bits.

    Raises:
      UserError: pillow-heif is not installed.
      ValueError: it cannot be read.
    """
    with explain_missing(f"{name}: a HEIF file", "heif"):
        import pillow_heif
    try:
        file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
        samples, exif = np.atleast_3d(np.asarray(file)), _plain_exif(file.info.get("exif"))
    except (ValueError, EOFError, RuntimeError) as error:
        raise ValueError(str(error)) from error
    # The decoder has turned it upright by the file's own fields, not by EXIF's.
    turned = orientation(exif)
    carried = Carried(file.info.get("icc_profile"), upright(exif, turned))
    return Raster(*_without_alpha(samples), carried=carried)


def _without_alpha(samples):
    """Gray or RGB, and alpha, None where there is none."""
    return samples[..., :3], samples[..., 3:] if samples.shape[2] == 4 else None


def _flags(data):
    if data.startswith(_JPEG):  # of four inks too
        return cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    return cv2.IMREAD_UNCHANGED  # turns nothing


def _opencv(data, flags):
    """[H, W, 1, 3 (RGB) or 4 (RGBA)] as stored, None if it cannot be decoded."""
    with silent():
        try:
            samples = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except (cv2.error, MemoryError):
            return None
    if samples is None or samples.dtype.kind not in "uf":
        return None
    samples = np.atleast_3d(samples)
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(samples.shape[2])
    return None if order is None else samples[..., order] if len(order) > 1 else samples


@contextlib.contextmanager
def _pillow(data) -> Iterator[Any]:
    """The opened image; None if Pillow does not know it."""
    from PIL import Image

    with silent():  # its bound on sizes is for servers; here pictures may be of any size
        bound, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(io.BytesIO(data))
        except Exception:  # whatever a damaged file makes of it
            image = None
        finally:
            Image.MAX_IMAGE_PIXELS = bound
    yield image


def _frames(image):
    if image is None or image.format == "MPO":  # a camera's: the others are previews of the first
        return 1
    try:
        return getattr(image, "n_frames", 1)
    except Exception:  # whatever a damaged file makes of it
        return 1


def _left_to_pillow(image):
    """Whether it is an animation, or OpenCV scales or fills its values in another way."""
    return image is not None and (
        _frames(image) > 1
        or image.format in ("GIF", "BMP", "AVIF")
        or image.mode in ("CMYK", "YCbCr")
        or (image.format == "JPEG2000" and image.mode == "I;16")
    )


def _bits(image):
    """Significant bits of a PGM or PPM, which tells its largest value."""
    if image is not None and image.format == "PPM" and image.tile:
        largest = image.tile[0].args[-1]
        return largest.bit_length() if isinstance(largest, int) else None
    return None


def _is_cut(image):
    """Whether OpenCV would have decoded a whole file."""
    return image is not None and image.format in _STRICT and max(image.size) <= _WIDEST


def _transparent(image):
    return image is not None and image.has_transparency_data


def _with_transparency(samples, image, frame):
    """What Pillow decodes, where OpenCV gives nothing or leaves transparency out."""
    if image is None:
        return samples
    with silent():
        try:
            image.seek(frame)
            deep = image.mode.startswith(("I", "F"))
            mode = "RGBA" if image.has_transparency_data else "RGB"
            return np.atleast_3d(np.asarray(image if deep else image.convert(mode)))
        except Exception:  # whatever a damaged file makes of it
            return samples


def _one_transparent(samples, data):
    """Alpha of a PNG of grays or RGB in which one value is transparent, None of any other file.

    That of palettes OpenCV gives itself.
    """
    found = [data[start + 8 : end - 4] for kind, start, end in _chunks(data) if kind == b"tRNS"]
    if samples is None or not found or len(found[0]) != 2 * samples.shape[2]:
        return None
    bits = data[24]
    value = np.frombuffer(found[0], ">u2") & (2**bits - 1)  # as stored, where OpenCV gives 8 bits
    value = value * (255 // (2**bits - 1) if bits < 8 else 1)
    top = np.iinfo(samples.dtype).max
    return np.where((samples == value).all(axis=2, keepdims=True), 0, top).astype(samples.dtype)


def _chunks(data):
    """(kind, start, end) of each chunk of a PNG."""
    place = 8
    while data.startswith(_PNG) and place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        yield kind, place, place + 12 + length
        place += 12 + length


def _beside_first(data):
    """A PNG with what Pillow finds behind the pixels only once they are decoded before them."""
    late, pixels = [], False
    for kind, start, end in _chunks(data):
        pixels = pixels or kind == b"IDAT"
        if pixels and kind in _BESIDE and end <= len(data):
            late.append(data[start:end])
    return b"".join([data[:33], *late, data[33:]]) if late else data


def _carried(image):
    """What the file carries, and its orientation."""
    if image is None:
        return Carried(), 1
    info = image.info
    exif, text = _plain_exif(info.get("exif")), {}
    if image.format == "PNG":
        text = {k: str(v) for k, v in info.items() if isinstance(v, str) and k != XMP_KEY}
        profile = text.pop(_PROFILE, None)  # ImageMagick's old way
        exif = exif or (profile and _hexadecimal(profile))
    dpi = info.get("dpi")
    if not (isinstance(dpi, tuple) and len(dpi) == 2 and min(dpi) > 0):
        dpi = None
    dpi = dpi and tuple(map(float, dpi))
    icc = info.get("icc_profile") or None
    xmp = info.get("xmp") or info.get(XMP_KEY) or None
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    turned = orientation(exif, xmp)
    carried = Carried(icc, upright(exif, turned), dpi, text, xmp=upright_xmp(xmp, turned))
    return carried, 1 if image.format == "TIFF" else turned  # which Pillow turns itself


def _hexadecimal(words):
    with contextlib.suppress(ValueError):
        return _plain_exif(bytes.fromhex("".join(words.split()[2:])))
    return None


def _plain_exif(exif):
    return exif.removeprefix(_EXIF) if exif else None


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Keeps codecs quiet, which write to file descriptor 2 themselves or warn."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = os.dup(2)
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(null)
