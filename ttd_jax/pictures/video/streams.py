"""Streams of frames: a video, a folder of pictures, or a TIFF file with pages."""

import dataclasses
import os
import pathlib
import re

import numpy as np

from ttd_jax.errors import UserError, counted
from ttd_jax.pictures import tiff
from ttd_jax.pictures.codecs import is_heif
from ttd_jax.pictures.images import SUFFIXES, decode_raster, read_bytes, saved_depth
from ttd_jax.pictures.scenes import folder_images
from ttd_jax.pictures.video import pixels
from ttd_jax.pictures.video.ffmpeg import first_video, opened
from ttd_jax.pictures.video.packets import Packets, decode, list_packets
from ttd_jax.pictures.video.pages import opened_pages
from ttd_jax.places import on_disk, place

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg"),
    *(".wmv", ".flv", ".3gp", ".ogv", ".mxf", ".h264", ".h265", ".hevc", ".y4m"),
)
_ONE_GAP = 1.5  # typical intervals: longer ones are gaps


@dataclasses.dataclass(frozen=True, eq=False)
class Stream:
    """A sequence of frames of one size.

    Attributes:
      path: the file or folder.
      kind: 'video', 'frames' (a folder of pictures) or 'pages' (a TIFF file).
      size: (H, W), upright.
      channels: 1 (gray) or 3 (RGB), of every frame.
      depth: what a result of this depth is saved as: u8, u16, or f32.
      count: frames, N.
      times: f64[N] in seconds, ascending; None where there are none and no rate was given.
      rate: frames a second, gaps aside; None without times.
      has_sound: whether there is sound beside it.
      remarks: what somebody should know of it, each in a line.
      files: of 'frames', in their order.
      packets: of 'video'.
      turn: of 'video', what makes its frames upright; see `pixels.turn_of`.
    """

    path: pathlib.Path
    kind: str
    size: tuple[int, int]
    channels: int
    depth: np.dtype
    count: int
    times: np.ndarray | None
    rate: float | None
    has_sound: bool = False
    remarks: tuple[str, ...] = ()
    files: tuple[pathlib.Path, ...] = ()
    packets: Packets | None = None
    turn: tuple[bool, bool, bool] = pixels.AS_STORED

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.path)

    def frame_name(self, index: int) -> str:
        """What messages call a frame."""
        if self.files:
            return str(self.files[index])
        if self.kind == "pages":
            return f"{self.name}, page {index + 1}"
        if self.times is None:
            return f"{self.name}, frame {index + 1}"
        return f"{self.name} at {self.times[index]:.2f} s"


def is_video(path: str | os.PathLike) -> bool:
    """Whether a file is a video: by its suffix, or by how it begins if that is no picture's."""
    path = place(os.fspath(path))
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return True
    if suffix in (*SUFFIXES, ".gif") or not on_disk(path) or not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(16)
    return (
        start.startswith(b"\x1aE\xdf\xa3")  # Matroska, WebM
        or (start[:4] == b"RIFF" and start[8:12] == b"AVI ")
        or (start[4:8] == b"ftyp" and not is_heif(start) and start[8:12] != b"avif")
    )


def open_stream(path: str | os.PathLike, *, rate: float | None = None) -> Stream:
    """Finds out what a stream of frames holds, without decoding more than one.

    Of a video the packets are read, which takes as long as reading the file: their presentation
    time stamps are the times, a start later than zero included. Packets before the first key frame
    cannot be decoded and are no frames.

    Args:
      path: a video or GIF, a folder of pictures, whose order is that of the numbers in their names,
        or a TIFF file, whose pages are the frames.
      rate: frames a second of what has no time stamps: folders, pages and raw streams.

    Raises:
      UserError: missing, unreadable, empty, no video, no video stream, encrypted, damaged where it
        begins, or a picture that cannot be decoded.
    """
    if rate is not None and not 0 < rate < float("inf"):
        raise UserError(f"rate={rate:g}: frames a second are a number above zero")
    path = place(os.fspath(path))
    if path.is_dir():
        return _open_folder(path, rate)
    if not path.exists():
        raise UserError(f"{path}: no such file or folder: check the path")
    if on_disk(path) and path.is_file():
        with path.open("rb") as file:
            if file.read(4) in tiff.MAGIC:
                return _open_pages(path, rate)
    return _open_video(path, rate)


def typical_interval(times: np.ndarray) -> float | None:
    """Seconds from a frame to the next, gaps aside; None of less than two frames.

    Args:
      times: f64[N], ascending.
    """
    steps = np.diff(times)
    steps = steps[steps > 0]
    if not steps.size:
        return None
    return float(steps[steps <= _ONE_GAP * np.median(steps)].mean())


def natural(name: str) -> list:
    """A key that sorts frame2 before frame10."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if odd % 2 else part for odd, part in enumerate(parts)]


def _open_folder(path, rate):
    files = sorted(folder_images(path).values(), key=lambda file: natural(file.stem))
    raster = decode_raster(read_bytes(files[0]), files[0])
    told = () if raster.alpha is None else (f"{path}: alpha is left out: frames are gray or RGB",)
    more = {"files": tuple(files), "remarks": told}
    return _of_pictures(path, "frames", raster.bands, len(files), rate, **more)


def _open_pages(path, rate):
    with opened_pages(path) as (count, read):
        return _of_pictures(path, "pages", read(0), count, rate)


def _of_pictures(path, kind, bands, count, rate, **more):
    *size, channels = bands.shape
    times = None if rate is None else np.arange(count) / rate
    depth = saved_depth(bands.dtype)
    return Stream(path, kind, tuple(size), channels, depth, count, times, rate, **more)


def _open_video(path, rate):
    with opened(path) as container:
        video, number = first_video(container, path)
        has_sound = bool(container.streams.audio)
        packets = list_packets(container, video, path)
    first = next(decode(path, packets), None) if packets.count else None
    if first is None:
        raise UserError(
            f"{path}: is encrypted: pass one that is not protected"
            if packets.encrypted
            else f"{path}: holds no frame that can be decoded: it is damaged: copy it again"
        )
    turn = pixels.turn_of(first)
    *size, _ = pixels.to_array(first, turn).shape
    channels, depth = pixels.layout(first)
    times = packets.times
    if times is not None:
        interval = typical_interval(times)
        rate = 1 / interval if interval else rate
    elif rate is not None:
        times = np.arange(packets.count) / rate
    return Stream(
        path=path,
        kind="video",
        size=tuple(size),
        channels=channels,
        depth=depth,
        count=packets.count,
        times=times,
        rate=rate,
        has_sound=has_sound,
        remarks=tuple(_remarks(path, number, packets)),
        packets=packets,
        turn=turn,
    )


def _remarks(path, number, packets):
    if number > 1:
        yield f"{path}: holds {number} video streams: the first is taken"
    if packets.skipped:
        yield f"{path}: {counted(packets.skipped, 'frame')} before the first key frame left out"
    if packets.ends:
        found, told = packets.ends
        yield (
            f"{path}: breaks off at {found:.1f} s of {told:.1f} s, truncated or damaged: what is "
            "there is taken"
        )
