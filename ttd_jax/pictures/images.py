"""Image files to arrays and back. Arrays are RGB, never BGR."""

import dataclasses
import os
import pathlib
import stat
from collections.abc import Sequence

import cv2
import numpy as np

from ttd_jax.align.alignment import Alignment
from ttd_jax.core.color import decoder_gray
from ttd_jax.core.quantization import as_float, quantize
from ttd_jax.errors import UserError
from ttd_jax.pictures import codecs, tiff
from ttd_jax.pictures.carried import Carried, add_to_png
from ttd_jax.pictures.ranges import Range, Scale, to_unit
from ttd_jax.pictures.raster import Raster
from ttd_jax.places import on_disk

PLAIN_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
SUFFIXES = (*PLAIN_SUFFIXES, ".heic", ".heif", *codecs.RAW_SUFFIXES)
FORMATS = ("png", "tiff")  # lossless, 8 and 16 bit; TIFF holds floats as well


@dataclasses.dataclass(frozen=True)
class Picture:
    """A decoded image file.

    Attributes:
      pixels: u8, u16, or f32 in [0, 1]: [H, W, 1] (gray) or [H, W, 3] (RGB with some color in it).
      alpha: [H, W, 1] of the same kind, or None.
      luma: a JPEG's own Y u8[H, W, 1], where it was asked for.
      scale: how stored values became pixels; None where these are the stored ones.
      carried: what its file carries beside its pixels.
      remark: what somebody should know of it before it is used, None for nothing.
      has_data: bool[H, W], where a warped one shows something; None for everywhere.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    luma: np.ndarray | None = None
    scale: Scale | None = None
    carried: Carried = dataclasses.field(default_factory=Carried)
    remark: str | None = None
    has_data: np.ndarray | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.pixels.shape[:2]

    @property
    def colored(self) -> bool:
        """Whether it has color."""
        return self.pixels.shape[2] == 3

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        planes = (self.pixels, self.alpha, self.luma, self.has_data)
        return sum(plane.nbytes for plane in planes if plane is not None)

    @property
    def depth(self) -> np.dtype:
        """The type that a result of this depth is saved as: u8, u16 or f32."""
        return saved_depth(np.dtype(self.scale.dtype) if self.scale else self.pixels.dtype)

    def as_float(self) -> np.ndarray:
        """f32[H, W, 1 or 3] in [0, 1]: integers over the largest of their type."""
        return as_float(self.pixels)

    def as_bytes(self) -> np.ndarray:
        """u8[H, W, 1 or 3]: others are rounded to 8 bits."""
        return self.pixels if self.pixels.dtype == np.uint8 else quantize(self.as_float(), np.uint8)

    def grayed(self) -> "Picture":
        """Its gray as the published protocol feeds networks with it: see `decoder_gray`."""
        gray = decoder_gray(self.pixels) if self.luma is None else self.luma
        return dataclasses.replace(self, pixels=gray, alpha=None, luma=None)


@dataclasses.dataclass(frozen=True)
class Reading:
    """How image files become pictures.

    Attributes:
      ranges: what becomes black and white: one for all sources, or one for each.
      bands: those that are taken of files with several, from 1: three (RGB) or one (gray).
      luma: whether a JPEG's own Y is wanted too, for `Picture.grayed`.
      results: so many of a scene's pictures, the first, are results: no band is chosen of them.
      align: how the sources of a scene are brought to line up.

    Raises:
      UserError: `bands` are neither one number nor three.
    """

    ranges: tuple[Range, ...] = (Range(),)
    bands: tuple[int, ...] | None = None
    luma: bool = False
    results: int = 0
    align: Alignment = Alignment()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        bands = (1,) if self.bands is None else self.bands
        if len(bands) not in (1, 3) or not all(isinstance(n, int) and n > 0 for n in bands):
            given = ",".join(map(str, bands))
            raise UserError(f"bands {given}: name one or three by their numbers, from 1")


def saved_depth(stored: np.dtype) -> np.dtype:
    """The type that a result of values stored as another is saved as: u8, u16 or f32."""
    if stored.kind == "f":
        return np.dtype(np.float32)
    return np.dtype(np.uint8 if stored.itemsize == 1 else np.uint16)


def all_have_data(pictures: Sequence[Picture]) -> np.ndarray | None:
    """bool[H, W], where every picture of a scene shows something; None for everywhere."""
    masks = [picture.has_data for picture in pictures if picture.has_data is not None]
    return np.logical_and.reduce(masks) if masks else None


def read_picture(path: pathlib.Path) -> Picture:
    """Reads and decodes an image file; see `decode_picture`.

    Raises:
      UserError: missing or unreadable, or for the reasons of `decode_picture`.
    """
    return decode_picture(read_bytes(path), path)


def read_bytes(path: pathlib.Path) -> bytes:
    """The content of a file.

    Raises:
      UserError: missing, unreadable, or no ordinary file: a folder, a pipe, a device.
    """
    try:
        if on_disk(path):
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise UserError(f"{path}: is no file (a folder, a pipe or a device): name a file")
            path = pathlib.Path(path)
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file: check the path") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error


def decode_picture(
    data: bytes,
    name: str | os.PathLike,
    *,
    page: int | None = None,
    chosen: Range = Range(),  # noqa: B008 - frozen
    reading: Reading = Reading(),
) -> Picture:
    """Decodes a TIFF, PNG, JPEG, BMP, WebP, GIF, camera RAW or HEIF file.

    The kind is told from the content, but a camera's RAW file from its name. Pictures are turned
    upright as their EXIF says. RGB whose channels are all equal is gray.

    Args:
      data: the file's content.
      name: what to call it in messages.
      page: of a file of several pictures, from 0; None where there must be only one.
      chosen: what becomes black and white.
      reading: the rest; its `ranges` are for scenes.

    Raises:
      UserError: empty, truncated or no image; several pages or bands, and none chosen; values whose
        range cannot be known; a package that such files need is missing.
    """
    raster = decode_raster(data, name, page=page, reading=reading)
    stored = raster.bands
    if stored.shape[2] == 3 and _all_equal(stored):
        stored = stored[..., :1]
    pixels, scale, remark = to_unit(stored, chosen, str(name), raster.nodata)
    if raster.bits and chosen.kind == "type":
        top = 2**raster.bits - 1
        remark = f"{name}: has {raster.bits} bits in 16: --range=0,{top} makes use of all"
    alpha = None if raster.alpha is None else alpha_of_type(raster.alpha, pixels.dtype)
    plain = pixels.shape[2] == 3 and scale is None and reading.bands is None
    luma = raster.luma if plain else None
    return Picture(*map(_whole, (pixels, alpha, luma)), scale, raster.carried, remark)


def decode_raster(
    data: bytes,
    name: str | os.PathLike,
    *,
    page: int | None = None,
    reading: Reading = Reading(),
) -> Raster:
    """The stored values of a file of those that `decode_picture` reads.

    Args:
      data: the file's content.
      name: what to call it in messages.
      page: see `decode_picture`.
      reading: whose bands are taken, and whether a JPEG's own Y is.

    Returns:
      An upright `Raster` of one band (gray) or three (RGB).

    Raises:
      UserError: for the reasons of `decode_picture` but those of ranges.
    """
    if not data:
        raise UserError(f"{name}: the file is empty: copy or download it again")
    return stored_values(_read(data, str(name), page, reading.luma), name, reading)


def stored_values(
    raster: Raster | None,
    name: str | os.PathLike,
    reading: Reading = Reading(),
) -> Raster:
    """What a codec gives, upright, with the bands that are taken.

    Raises:
      UserError: it gave nothing, or several bands, and none was chosen.
    """
    if raster is None or not raster.bands.size:
        raise UserError(f"{name}: truncated, damaged or not an image that can be read: replace it")
    raster = raster.upright()
    return dataclasses.replace(raster, bands=_choose_bands(raster.bands, reading.bands, name))


def count_pages(path: pathlib.Path) -> int:
    """How many pictures a file holds; 1 for one that cannot be read, which is said when it is.

    Raises:
      UserError: missing or unreadable.
    """
    data = read_bytes(path)
    if data.startswith(tiff.MAGIC) and path.suffix.lower() not in codecs.RAW_SUFFIXES:
        try:
            return tiff.count_tiff_pages(data)
        except ValueError:
            return 1
    return codecs.count_frames(data)


def _read(data, name, page, luma) -> Raster | None:
    try:
        if pathlib.PurePath(name).suffix.lower() in codecs.RAW_SUFFIXES:
            return codecs.read_raw(data, name)
        if codecs.is_heif(data):
            return codecs.read_heif(data, name)
        if data.startswith(tiff.MAGIC):
            raster = tiff.read_tiff(data, name, page)
            if raster is not None:
                return raster
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        return None
    return codecs.read_coded(data, name, page, luma=luma)


def _choose_bands(bands, chosen, name):
    count = bands.shape[2]
    if count == 1 or (count == 3 and chosen is None):
        return bands  # where there is one, there is nothing to choose
    if chosen is None:
        raise UserError(
            f"{name}: has {count} bands: pass --bands=3,2,1 (those that are red, green and blue, "
            "from 1) or --bands=4 (one, as gray); --config.bands of evaluate and finetune"
        )
    if max(chosen) > count:
        raise UserError(
            f"{name}: has no band {max(chosen)}, it has {count}: pass other --bands, which hold "
            "for every source with more than one"
        )
    return bands[..., [band - 1 for band in chosen]]


def _all_equal(rgb):
    red, green, blue = (rgb[..., channel] for channel in range(3))
    return np.array_equal(red, green) and np.array_equal(green, blue)


def alpha_of_type(alpha: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Alpha of pixels of another type, of any shape: opaque is 1, or the largest integer."""
    dtype = np.dtype(dtype)
    if alpha.dtype == dtype and dtype.kind != "f":
        return alpha
    unit = np.clip(np.nan_to_num(as_float(alpha)), 0, 1)
    if dtype.kind == "f":
        return unit
    return np.rint(unit.astype(np.float64) * np.iinfo(dtype).max).astype(dtype)


def _whole(array):
    return None if array is None else np.ascontiguousarray(array)


def encode_picture(
    pixels: np.ndarray,
    suffix: str,
    alpha: np.ndarray | None = None,
    carried: Carried = Carried(),  # noqa: B008 - frozen
) -> bytes:
    """Encodes [H, W, 1 or 3] (RGB) u8, u16, or f32 (TIFF only) without loss.

    Args:
      pixels: the picture.
      suffix: '.png' or '.tiff'.
      alpha: [H, W, 1] of the same type; gray with alpha is RGBA in a PNG.
      carried: what the file is to carry beside them.

    Raises:
      UserError: the format cannot hold so many rows or columns.
    """
    plain = pixels.dtype in (np.uint8, np.uint16, np.float32)
    if suffix == ".tiff" and (carried or alpha is not None or not plain):
        return tiff.write_tiff(pixels, alpha, carried)
    channels = pixels.shape[2]
    if alpha is not None:
        channels = 3
        rgb = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
        pixels = np.concatenate([rgb[..., ::-1], alpha], axis=-1)
    elif channels == 3:
        pixels = pixels[..., ::-1]
    with codecs.silent():
        fits, data = cv2.imencode(suffix, np.ascontiguousarray(pixels))
    if not fits:
        height, width = pixels.shape[:2]
        raise UserError(
            f"a {suffix[1:]} file cannot hold {width}x{height} pixels: pass --format=tiff"
        )
    data = data.tobytes()
    return add_to_png(data, carried, channels) if carried else data
