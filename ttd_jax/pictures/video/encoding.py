"""How frames are encoded, by a file's suffix and their depth, size and color."""

import dataclasses
import pathlib

import numpy as np

from ttd_jax.errors import UserError

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".avi": "avi"}
_QUALITY = "17"  # the encoders' scale of constant quality, on which 17 is said to show no loss
_LEAST_OF_HEVC = 64  # pixels of a side: x265 writes past its memory with less
_SECONDS_OF_GROUP = 2.0  # from a key frame to the next: what a killed process loses at most


@dataclasses.dataclass(frozen=True)
class Encoding:
    """A codec and how it is used.

    Attributes:
      codec: FFmpeg's name of the encoder.
      pixel_format: of the frames that it is given.
      options: of the encoder.
    """

    codec: str
    pixel_format: str
    options: dict[str, str]

    @property
    def in_four_four_four(self) -> bool:
        """Whether it has as many samples of color as of luma, which not all players show."""
        return self.codec != "ffv1" and self.pixel_format.startswith("yuv444")


def choose_encoding(
    path: pathlib.Path, *, size: tuple[int, int], colored: bool, dtype: np.dtype, rate: float
) -> Encoding:
    """The encoding of a video.

    In .mp4 and .mov: H.264 for 8 bits, HEVC of 10 bits for 16. In .mkv: H.264 for 8 bits; FFV1 for
    16, which keeps every bit. In .avi: FFV1. H.264 and HEVC are Y'CbCr 4:2:0, which every player
    shows, but 4:4:4 where a side is odd: 4:2:0 has even sizes only.

    Args:
      path: of the file.
      size: (H, W).
      colored: RGB, rather than gray.
      dtype: u8 or u16.
      rate: frames a second.

    Raises:
      UserError: another suffix, or frames too small for HEVC.
    """
    suffix, deep = path.suffix.lower(), np.dtype(dtype) == np.uint16
    if suffix not in CONTAINERS:
        raise UserError(f"{path}: a video is written as {', '.join(CONTAINERS)}: choose one")
    if suffix == ".avi" or (suffix == ".mkv" and deep):
        formats = ("gray16le", "gbrp16le") if deep else ("gray", "bgr0")
        return Encoding("ffv1", formats[colored], {"level": "3", "slicecrc": "1"})
    samples = "yuv444p" if any(side % 2 for side in size) else "yuv420p"
    group = str(max(1, round(_SECONDS_OF_GROUP * rate)))
    options = {"crf": _QUALITY, "preset": "medium", "g": group}
    if deep:
        if min(size) < _LEAST_OF_HEVC:
            raise UserError(
                f"{path}: HEVC takes {_LEAST_OF_HEVC}x{_LEAST_OF_HEVC} pixels at least, got "
                f"{size[1]}x{size[0]}: write .mkv"
            )
        return Encoding("libx265", f"{samples}10le", {**options, "x265-params": "log-level=none"})
    return Encoding("libx264", samples, options)
