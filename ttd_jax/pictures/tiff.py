"""TIFF files: every sample layout, depth and compression, by tifffile."""

import contextlib
import io
import logging
import math
import mmap
import struct
from collections.abc import Callable, Iterator

import numpy as np

from ttd_jax.errors import UserError
from ttd_jax.pictures.carried import GEO_TAGS, TEXT_TAGS, XMP_TAG, Carried, upright_xmp
from ttd_jax.pictures.ranges import Scale
from ttd_jax.pictures.raster import Raster, choose_page

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_KINDS = _WHITE_IS_ZERO, _GRAY, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_JPEG, _JPEG_END = 7, b"\xff\xd9"  # its codec gives RGB, gray where data end before that
_ORIENTATION = 274
_ASSOCIATED, _UNASSOCIATED = 1, 2
_CENTIMETER = 3
_LAYOUT = 532  # the last of TIFF 6.0's own tags; private ones tell nothing of the pixels
_NODATA = 42113  # GDAL's
_COMPLEX = (5, 6)  # sample formats
logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it remarks on is checked here


def count_tiff_pages(data: bytes) -> int:
    """How many pictures a TIFF file holds, previews and masks aside.

    Raises:
      ValueError: it is damaged.
    """
    with _open(data) as file:
        return len(_pages(file))


def read_tiff(data: bytes, name: str, page: int | None) -> Raster | None:
    """Decodes one picture of a TIFF file; None if its colors are none that are known here.

    Args:
      data: the file's content.
      name: for messages.
      page: which, from 0; None where there must be only one.

    Raises:
      UserError: several pages, and none was chosen; or colors that are not converted.
      ValueError: it is damaged, or of a kind that tifffile cannot read.
    """
    with _open(data) as file:
        pages = _pages(file)
        return _read_page(pages[choose_page(name, len(pages), page)], data, name)


@contextlib.contextmanager
def open_tiff(
    data: bytes | mmap.mmap, name: str
) -> Iterator[tuple[int, Callable[[int], Raster | None]]]:
    """How many pages a TIFF file has, and a function that decodes one as `read_tiff` does.

    They are listed once, and of a mapped file only what is asked for is read.

    Args:
      data: the file's content.
      name: for messages.

    Raises:
      ValueError: it is damaged.
    """
    with _open(data) as file:
        pages = _pages(file)
        yield len(pages), lambda page: _read_page(pages[page], data, name)


def _read_page(own, data, name):
    kind = own.photometric
    if int(kind) not in _KINDS:
        colors = getattr(kind, "name", f"unknown ({kind})")
        raise UserError(f"{name}: has {colors} colors: convert it to RGB")
    if own.sampleformat in _COMPLEX:
        raise UserError(f"{name}: has complex values: write their magnitudes as floats")
    if own.dtype is None:
        raise UserError(f"{name}: has values of {own.bitspersample} bits: write 8, 16 or 32 bits")
    if 262 in own.tags and int(kind) == _WHITE_IS_ZERO and own.dtype.kind in "if":
        raise UserError(f"{name}: zero is white in {own.dtype} values: write it with zero black")
    if own.imagedepth > 1:
        raise UserError(
            f"{name}: is a volume of {own.imagedepth} slices: write each as a page of its own"
        )
    _check_whole(own, data)
    samples = own.asarray()
    if samples.dtype.kind not in "buif" or samples.ndim - ("S" in own.axes) != 2:
        raise ValueError(f"{samples.dtype} in {own.axes}")
    if own.axes.startswith("S"):
        samples = np.moveaxis(samples, 0, -1)
    samples = np.atleast_3d(samples)
    extra = tuple(map(int, own.extrasamples))
    if not extra and own.samplesperpixel == 4 and int(own.photometric) == _RGB:
        extra = (_UNASSOCIATED,)  # which OpenCV writes and does not say
    count = samples.shape[2] - len(extra)
    bands = _bands(own, samples[..., :count])
    if bands is None:
        return None
    alpha = None
    if extra and extra[0] in (_ASSOCIATED, _UNASSOCIATED):
        alpha = _spread(samples[..., count : count + 1], _bits(own))
        if extra[0] == _ASSOCIATED:
            bands = _unassociated(bands, alpha)
        extra, count = extra[1:], count + 1
    if extra:
        bands = np.concatenate([bands, samples[..., count:]], axis=-1)
    turned = own.tags.valueof(_ORIENTATION, default=1)
    bits = _bits(own) if own.dtype == np.uint16 and _bits(own) < 16 else None
    return Raster(bands, alpha, turned, _carried(own, turned), bits=bits, nodata=_nodata(own))


def write_tiff(pixels: np.ndarray, alpha: np.ndarray | None, carried: Carried) -> bytes:
    """A lossless TIFF file.

    Args:
      pixels: [H, W, 1 or 3] of any real type.
      alpha: [H, W, 1] of the same type, or None.
      carried: what it carries.
    """
    import tifffile

    channels = pixels.shape[2]
    samples = pixels if alpha is None else np.concatenate([pixels, alpha], axis=-1)
    codes = {name: code for code, name in TEXT_TAGS.items()}
    text = [
        (codes[name], 2, 0, words.encode("utf-8", "replace"), True)
        for name, words in carried.text.items()
        if name in codes
    ]
    xmp = [(XMP_TAG, 1, len(carried.xmp), carried.xmp, True)] if carried.xmp else []
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        samples if samples.shape[2] > 1 else samples[..., 0],
        photometric="rgb" if channels == 3 else "minisblack",
        planarconfig="contig" if samples.shape[2] > 1 else None,
        extrasamples=None if alpha is None else ["unassalpha"],
        compression="lzw",
        metadata=None,
        software=False,
        iccprofile=carried.profile(channels),
        resolution=carried.dpi,
        resolutionunit="inch" if carried.dpi else None,
        extratags=[*text, *xmp, *((*tag, True) for tag in carried.geo)],
    )
    return file.getvalue()


@contextlib.contextmanager
def _open(data):
    import tifffile

    try:
        source = data if isinstance(data, mmap.mmap) else io.BytesIO(data)
        with tifffile.TiffFile(source) as file:
            yield file
    except UserError:
        raise
    except Exception as error:  # whatever damage, or a missing codec, makes of it
        raise ValueError(str(error)) from error


def _pages(file):
    # Going through them by number, since directories that refer back would never end.
    if not len(file.pages):
        raise ValueError("no picture")
    pages = [file.pages[index].aspage() for index in range(len(file.pages))]
    return [page for page in pages if not (page.is_reduced or page.is_mask)] or pages


def _check_whole(page, data):
    """Refuses what tifffile fills with zeros or its own defaults."""
    offsets, counts = page.dataoffsets, page.databytecounts
    ends = [offset + count for offset, count in zip(offsets, counts, strict=True)]
    if not all(counts) or max(ends, default=0) > len(data):
        raise ValueError("a part of its pixels is missing")
    plain = page.is_contiguous and sum(counts) >= page.nbytes  # of one strip, whatever it says
    if len(counts) < math.prod(page.chunked) and not plain:
        raise ValueError("some of its strips or tiles are missing")
    own_end = int(page.compression) == _JPEG and page.jpegheader is None  # unlike NDPI's tiles
    if own_end and not all(
        data.find(_JPEG_END, offset, end) > 0 for offset, end in zip(offsets, ends, strict=True)
    ):
        raise ValueError("a strip or tile is cut")
    form = page.parent.tiff
    (count,) = struct.unpack_from(form.tagnoformat, data, page.offset)
    for place in range(count):
        start = page.offset + form.tagnosize + place * form.tagsize
        (tag,) = struct.unpack_from(form.byteorder + "H", data, start)
        if tag <= _LAYOUT and tag not in page.tags:
            raise ValueError("a tag cannot be read")


def _nodata(page):
    """The value of samples that hold no data; none of colors of a palette or inverted ones."""
    if int(page.photometric) in (_GRAY, _RGB):
        with contextlib.suppress(TypeError, ValueError, AttributeError):
            return float(page.tags.valueof(_NODATA).replace(",", "."))
    return None


def _bands(page, samples):
    """Gray [H, W, 1], RGB [H, W, 3] or whatever bands there are, in u8, u16, or as stored."""
    kind, bits = int(page.photometric), _bits(page)
    if kind == _PALETTE and page.colormap is not None:
        colors = np.moveaxis(page.colormap, 0, -1)[samples[..., 0].astype(int)]
        return (colors >> 8 if colors.max() > 255 else colors).astype(np.uint8)
    if kind in (_CMYK, _PALETTE) or (kind == _YCBCR and int(page.compression) != _JPEG):
        return None
    if samples.dtype in (bool, np.uint8):
        samples = _spread(samples, bits)
    if kind == _WHITE_IS_ZERO and samples.dtype.kind == "u":
        samples = np.array((1 << (bits if bits > 8 else 8)) - 1, samples.dtype) - samples
    return samples


def _bits(page):
    """Bits of a sample; of unequal ones, as RGB565 has them, tifffile makes whole bytes."""
    bits = page.bitspersample
    return bits if isinstance(bits, int) else 8 * page.dtype.itemsize


def _spread(samples, bits):
    """Unsigned samples of fewer bits than their type, over all of its range."""
    samples = samples.astype(np.uint8) if samples.dtype == bool else samples
    if samples.dtype.kind != "u" or bits >= 8 * samples.dtype.itemsize:
        return samples
    full, top = np.iinfo(samples.dtype).max, 2**bits - 1
    return ((samples.astype(np.uint64) * full + top // 2) // top).astype(samples.dtype)


def _unassociated(bands, alpha):
    """Colors that were multiplied by alpha, as they were before."""
    seen = alpha > 0
    divided = np.where(seen, bands / np.where(seen, alpha, 1), 0)
    if bands.dtype.kind == "f":
        return divided.astype(bands.dtype)
    return Scale(0.0, float(np.iinfo(bands.dtype).max), bands.dtype.name).invert(divided)


def _carried(page, turned):
    text = {}
    for code, name in TEXT_TAGS.items():
        words = page.tags.valueof(code)
        if isinstance(words, str) and words.strip("\0 ") and not words.startswith('{"shape"'):
            text[name] = words.strip("\0 ")
    geo = tuple(
        (tag.code, int(tag.dtype), tag.count, tag.value)
        for tag in page.tags
        if tag.code in GEO_TAGS
    )
    dpi, unit = None, int(page.tags.valueof(296, default=2))
    if 282 in page.tags and unit in (2, _CENTIMETER):
        factor = 2.54 if unit == _CENTIMETER else 1.0
        dpi = tuple(float(value) * factor for value in page.get_resolution())
        dpi = dpi if min(dpi) > 0 else None
    xmp = page.tags.valueof(XMP_TAG)
    xmp = upright_xmp(xmp, turned) if isinstance(xmp, bytes) else None
    return Carried(page.iccprofile, None, dpi, text, geo, xmp)
