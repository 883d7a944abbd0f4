"""Frames of videos to arrays and back: pixel formats, ranges, matrices and turns.

Gray formats give gray: 8 bits u8, more u16, where white is the type's largest value: the values
v of n bits become round(v * 65535 / (2^n - 1)), so that those of 16 bits stay exactly as they are.
Any other format gives RGB, u8 for 8 bits and u16 for more, by the stream's own matrix and range.
Where a stream does not tell its matrix it is BT.709 for high definition and BT.601 below, as
players have it; its range is limited if it is Y'CbCr and full if it is gray or RGB. Gray of more
than 12 bits counts something, such as heat, and is taken as stored whatever range is told.
"""

import sys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import av

_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}  # FFmpeg's of a frame -> swscale's
_BT601, BT709 = 5, 1
LIMITED, FULL = 1, 2
AS_STORED = False, False, False  # rows and columns swapped, rows mirrored, columns mirrored
_HIGH_DEFINITION = (1280, 576)  # more columns or rows than these are
_COUNTS = 12  # bits: grays of more are counts
_WHITE = 255 << 8  # what limited white is in 16 bits of swscale, which shifts in place of scaling
_INPUTS = {(1, 1): "gray", (1, 2): "gray16", (3, 1): "rgb24", (3, 2): "rgb48"}
_NATIVE = "le" if sys.byteorder == "little" else "be"


def layout(frame: "av.VideoFrame") -> tuple[int, np.dtype]:
    """`(channels, dtype)` of the array that a frame gives: 1 or 3, u8 or u16."""
    bits = max(component.bits for component in frame.format.components)
    return 1 if _is_gray(frame.format) else 3, np.dtype(np.uint8 if bits <= 8 else np.uint16)


def turn_of(frame: "av.VideoFrame") -> tuple[bool, bool, bool]:
    """How a video's frames become upright: whether rows and columns are swapped, what is mirrored.

    The display matrix tells it: x' = a x + c y, y' = b x + d y. To ask a frame for it makes PyAV
    hold that frame until garbage is collected: the first one is asked.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return AS_STORED
    (a, b, _), (c, d, _), _ = np.frombuffer(matrix, np.int32).reshape(3, 3).tolist()
    return (True, b < 0, c < 0) if abs(b) > abs(a) else (False, d < 0, a < 0)


def to_array(frame: "av.VideoFrame", turn: tuple[bool, bool, bool] = AS_STORED) -> np.ndarray:
    """A decoded frame as u8 or u16 [H, W, 1 (gray) or 3 (RGB)], turned as `turn_of` tells."""
    channels, dtype = layout(frame)
    bits = max(component.bits for component in frame.format.components)
    name = frame.format.name
    if channels == 1:
        if not name.startswith("gray") or name.startswith("grayf"):
            frame, bits = _converted(frame, _named(1, dtype)), 8 * dtype.itemsize
        stored = frame.to_ndarray()[..., None]
        limited = frame.color_range == LIMITED and bits <= _COUNTS
        return _turned(turn, _spread(stored, bits, dtype, limited=limited))
    if name.startswith("gbrp") and bits > 8 and not name.startswith("gbrpf"):
        return _turned(turn, _spread(frame.to_ndarray(), bits, dtype, limited=False))
    # As planes: swscale wraps values where it makes packed RGB of 16 bits from 4:2:0.
    rgb = _converted(frame, "gbrp" if dtype == np.uint8 else f"gbrp16{_NATIVE}").to_ndarray()
    if dtype == np.uint16 and not frame.format.is_rgb:
        white = _WHITE if _range(frame) == LIMITED else (2**bits - 1) << 16 - bits
        rgb = np.rint(np.minimum(rgb * np.float32(65535 / white), 65535)).astype(np.uint16)
    return _turned(turn, rgb)


def to_frame(array: np.ndarray, pixel_format: str) -> "av.VideoFrame":
    """An array [H, W, 1 or 3] u8 or u16 as a frame to encode: BT.709, limited where Y'CbCr."""
    import av

    given = _named(array.shape[2], array.dtype)
    ycbcr = pixel_format.startswith("yuv")
    if ycbcr and array.dtype == np.uint16:
        array = np.rint(array * np.float32(_WHITE / 65535)).astype(np.uint16)
    elif pixel_format.startswith("gbrp"):
        given = pixel_format
    array = np.ascontiguousarray(array[..., 0] if array.shape[2] == 1 else array)
    frame = av.VideoFrame.from_ndarray(array, format=given)
    if given != pixel_format:
        frame = frame.reformat(
            format=pixel_format,
            src_colorspace=BT709,
            dst_colorspace=BT709,
            src_color_range=FULL,
            dst_color_range=LIMITED if ycbcr else FULL,
            interpolation=_exactly(),
        )
    frame.color_range = LIMITED if ycbcr else FULL
    return frame


def _named(channels, dtype):
    """FFmpeg's name of plain gray or RGB of such a type."""
    name = _INPUTS[channels, dtype.itemsize]
    return name if dtype.itemsize == 1 else name + _NATIVE


def _is_gray(pixel_format):
    colors = [one for one in pixel_format.components if not one.is_alpha]
    return len(colors) == 1 and not pixel_format.has_palette


def _range(frame):
    if frame.color_range in (LIMITED, FULL):
        return frame.color_range
    full = frame.format.is_rgb or frame.format.name.startswith("yuvj") or _is_gray(frame.format)
    return FULL if full else LIMITED


def _converted(frame, pixel_format):
    wide, high = _HIGH_DEFINITION
    usual = BT709 if frame.width >= wide or frame.height > high else _BT601
    matrix = _MATRICES.get(frame.colorspace, usual)
    return frame.reformat(
        format=pixel_format,
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=_range(frame),
        dst_color_range=FULL,
        interpolation=_exactly(),
    )


def _exactly():
    """Flags of swscale without which it is off by some levels, for speed."""
    from av.video.reformatter import Interpolation as Flag

    return int(Flag.BILINEAR | Flag.ACCURATE_RND | Flag.FULL_CHR_H_INT)


def _spread(stored, bits, dtype, *, limited):
    """Values of some bits over all of their type's range; of all bits they stay as they are."""
    top = np.iinfo(dtype).max
    low, high = (16 << bits - 8, 235 << bits - 8) if limited else (0, 2**bits - 1)
    if (low, high) == (0, top):
        return stored
    values = np.clip(np.arange(2**bits), low, high) - low
    return np.rint(values * (top / (high - low))).astype(dtype).take(stored, mode="clip")


def _turned(turn, array):
    swap, rows, columns = turn
    if turn == AS_STORED:
        return array
    array = np.swapaxes(array, 0, 1) if swap else array
    return np.ascontiguousarray(array[:: -1 if rows else 1, :: -1 if columns else 1])
