"""Image files to arrays and back, with OpenCV. Arrays are RGB, never BGR."""

import contextlib
import dataclasses
import os
import pathlib
import threading

import cv2
import numpy as np

from ttd_jax.core.quantization import as_float, quantize
from ttd_jax.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
FORMATS = ("png", "tiff")  # lossless, 8 and 16 bit
_JPEG_MAGIC = b"\xff\xd8"
_QUIET = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Picture:
    """A decoded image file.

    Attributes:
      pixels: u8, u16, or f32 in [0, 1]: [H, W, 1] (gray) or [H, W, 3] (RGB with some color in it).
      alpha: the same dtype [H, W, 1], or None.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None

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
        return self.pixels.nbytes + (0 if self.alpha is None else self.alpha.nbytes)

    def as_float(self) -> np.ndarray:
        """f32[H, W, 1 or 3] in [0, 1]: integers over the largest of their type."""
        return as_float(self.pixels)

    def as_bytes(self) -> np.ndarray:
        """u8[H, W, 1 or 3]: 16 bits are rounded to 8."""
        return self.pixels if self.pixels.dtype == np.uint8 else quantize(self.as_float(), np.uint8)


def read_picture(path: pathlib.Path, *, gray: bool = False) -> Picture:
    """Reads and decodes an image file; see `decode_picture`.

    Raises:
      UserError: missing or unreadable, or for the reasons of `decode_picture`.
    """
    return decode_picture(read_bytes(path), path, gray=gray)


def read_bytes(path: pathlib.Path) -> bytes:
    """The content of a file.

    Raises:
      UserError: missing or unreadable.
    """
    try:
        return pathlib.Path(path).read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file: check the path") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error


def decode_picture(data: bytes, name: str | os.PathLike, *, gray: bool = False) -> Picture:
    """Decodes a PNG, JPEG, TIFF or BMP of 8 or 16 bits: gray, RGB or RGBA.

    The kind is told from the content, not the name. An RGB file whose channels are all equal is
    gray. JPEGs are turned upright as their EXIF says.

    Args:
      data: the file's content.
      name: what to call it in messages.
      gray: decode to OpenCV's gray (what the published protocols do), without alpha.

    Returns:
      A `Picture`.

    Raises:
      UserError: empty, truncated, not an image, or of another dtype.
    """
    if not data:
        raise UserError(f"{name}: the file is empty: copy or download it again")
    flags = cv2.IMREAD_UNCHANGED
    if gray:
        flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH
    elif data.startswith(_JPEG_MAGIC):  # UNCHANGED would ignore the EXIF orientation
        flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
    with _silent_codecs():
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:
            pixels = None
    if pixels is None:
        raise UserError(
            f"{name}: truncated, damaged or not a PNG, JPEG, TIFF or BMP image: replace the file"
        )
    if pixels.dtype not in (np.uint8, np.uint16):
        raise UserError(f"{name}: {pixels.dtype} pixels: convert the picture to 8 or 16 bits")
    return _split(np.atleast_3d(pixels))


def _split(pixels):
    alpha = None
    if pixels.shape[2] == 4:
        pixels, alpha = pixels[..., :3], np.ascontiguousarray(pixels[..., 3:])
    if pixels.shape[2] == 3:
        blue, green, red = (pixels[..., c] for c in range(3))
        if np.array_equal(blue, green) and np.array_equal(green, red):
            pixels = pixels[..., :1]
        else:
            pixels = pixels[..., ::-1]
    return Picture(np.ascontiguousarray(pixels), alpha)


def encode_picture(pixels: np.ndarray, suffix: str, alpha: np.ndarray | None = None) -> bytes:
    """Encodes [H, W, 1 or 3] (RGB) u8, u16, or f32 (TIFF only) without loss.

    Args:
      pixels: the picture.
      suffix: '.png' or '.tiff'.
      alpha: [H, W, 1] of the same dtype; gray with alpha is written as RGBA.
    """
    if alpha is not None:
        rgb = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
        pixels = np.concatenate([rgb[..., ::-1], alpha], axis=-1)
    elif pixels.shape[2] == 3:
        pixels = pixels[..., ::-1]
    return cv2.imencode(suffix, np.ascontiguousarray(pixels))[1].tobytes()


@contextlib.contextmanager
def _silent_codecs():
    """Keeps libpng and libtiff, which write to file descriptor 2 themselves, quiet."""
    with _QUIET:
        kept = os.dup(2)
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(null)
