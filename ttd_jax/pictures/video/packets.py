"""What the packets of a video stream tell without being decoded, and how they are decoded."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ttd_jax.pictures.video.ffmpeg import clock_start, library, opened

if TYPE_CHECKING:
    import av

_LEAST_MISSING = 0.25  # seconds of what the header tells: less is rounding


@dataclasses.dataclass(frozen=True, eq=False)
class Packets:
    """The frames of a video stream.

    Attributes:
      stream: index of the stream in its file.
      count: frames that can be decoded, N: those from the first key frame on.
      skipped: frames before it.
      marks: i64[N], their presentation time stamps in the stream's own unit, ascending; None where
        some packets carry none, and frames are told apart by counting.
      keys: i64[K], the stamps of key frames, ascending; none where `marks` is None.
      times: f64[N] in seconds, ascending; None where the packets tell none.
      ends: seconds, where a file breaks off, and where its header says that it ends; None for one
        that is whole.
      encrypted: whether its frames are.
    """

    stream: int
    count: int
    skipped: int
    marks: np.ndarray | None
    keys: np.ndarray
    times: np.ndarray | None
    ends: tuple[float, float] | None
    encrypted: bool


def list_packets(
    container: "av.container.InputContainer", video: "av.VideoStream", path: pathlib.Path
) -> Packets:
    """Reads a file's packets, which are not decoded.

    Args:
      container: just opened.
      video: which of its streams.
      path: for messages.
    """
    av = library(f"{path}: a video file")
    pts, dts, keys, hidden, corrupt = [], [], [], [], []
    last, encrypted = {}, False  # the largest stamp of each stream
    with contextlib.suppress(av.error.FFmpegError):  # what breaks off is told below
        for packet in container.demux():
            if not packet.size:
                continue
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is not None:
                end = stamp + (packet.duration or 0)
                last[packet.stream_index] = max(end, last.get(packet.stream_index, end))
            if packet.stream_index == video.index:
                pts.append(packet.pts)
                dts.append(packet.dts)
                keys.append(packet.is_keyframe)
                hidden.append(packet.is_discard)
                corrupt.append(packet.is_corrupt)
                encrypted = encrypted or packet.has_sidedata("encryption_info")
    whole = len(pts) - bool(corrupt and corrupt[-1])  # the last may be cut
    start, base = clock_start(container), float(video.time_base)
    begin = keys.index(True) if True in keys else 0
    keys, shown = np.array(keys[:whole], bool), ~np.array(hidden[:whole], bool)
    frames = int(shown.sum())
    shown &= np.arange(whole) >= begin
    times = marks = None
    key_marks = np.zeros(0, np.int64)
    if whole and None not in pts[:whole]:
        stamps = np.array(pts[:whole], np.int64)
        shown &= stamps >= stamps[begin]  # others lean on frames before the first key frame
        marks, key_marks = np.unique(stamps[shown]), np.unique(stamps[keys])
        times = marks * base - start
    elif whole and None not in dts[:whole]:
        times = np.sort(np.array(dts[:whole], np.int64)[shown]) * base - start
    count = int(shown.sum()) if marks is None else len(marks)
    return Packets(
        video.index,
        count,
        frames - int(shown.sum()),
        marks,
        key_marks,
        times,
        _break(container, last, cut=whole < len(pts)),
        encrypted,
    )


def _break(container, last, *, cut):
    """Where a file ends and where it should; None if that is the same and no packet is cut."""
    if container.duration is None or not last:
        return None
    found = max(float(stamp * container.streams[index].time_base) for index, stamp in last.items())
    start = (container.start_time or 0) / 1e6
    found, told = found - start, container.duration / 1e6
    return (found, told) if cut or told - found > _LEAST_MISSING else None


def decode(
    path: pathlib.Path, packets: Packets, start: int | None = None
) -> Iterator["av.VideoFrame"]:
    """The frames of a video in the order of their time, up to the end or the first damage.

    Args:
      path: of the file.
      packets: of the stream.
      start: the stamp of a key frame to begin at; the first one by default.

    Raises:
      UserError: the file cannot be opened.
    """
    av = library(f"{path}: a video file")
    with opened(path) as container:
        video = container.streams[packets.stream]
        video.thread_type = "SLICE"  # threads of frames would lose those before the damage
        video.codec_context.options = {"err_detect": "explode"}  # not what it makes of damage
        if start is not None:
            container.seek(start, stream=video)
        begun = not packets.keys.size
        try:
            for packet in container.demux(video):
                begun = begun or packet.is_keyframe
                if packet.is_corrupt:
                    break
                for frame in packet.decode() if begun else ():
                    if frame.is_corrupt:
                        return
                    yield frame
        except av.error.FFmpegError:
            pass
        with contextlib.suppress(av.error.FFmpegError):
            yield from video.decode(None)  # those before the damage
