"""A video's packets copied beside another's sound into another container, nothing encoded."""

import contextlib
import heapq
import pathlib
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from ttd_jax.pictures.video.ffmpeg import clock_start, library, opened

if TYPE_CHECKING:
    import av

_UNKNOWN = "of a codec that FFmpeg does not know"
_WHOLE = {"mp4": {"movflags": "faststart"}, "mov": {"movflags": "faststart"}}


def remux(
    source: pathlib.Path,
    target: pathlib.Path,
    kind: str,
    *,
    rate: Fraction,
    sound: pathlib.Path | None,
    span: tuple[float, float],
    name: pathlib.Path,
) -> list[str]:
    """Copies the packets of a video.

    Args:
      source: the video, whose time stamps begin at zero.
      target: the file to write.
      kind: FFmpeg's name of its container.
      rate: frames a second, to whose steps AVI rounds time stamps.
      sound: a file whose first sound is copied beside it, if the container holds such; None for
        none.
      span: seconds of the sound's file that are copied, the first of which becomes zero.
      name: of the file in messages.

    Returns:
      What somebody should know of it.

    Raises:
      OSError, FFmpegError: it cannot be written.
    """
    av = library(f"{name}: a video file")
    heard = None
    if sound is not None:
        with opened(sound) as container:
            heard = next(map(_codec, container.streams.audio), None)
    if heard not in (None, _UNKNOWN):
        try:
            if _copy(source, target, kind, rate, sound, span):
                return []
        except av.error.FFmpegError as error:
            if isinstance(error, OSError):  # such as a full disk, whatever is copied
                raise
    _copy(source, target, kind, rate, None, span)
    if heard is None:
        return []
    told = f"{name}: the sound of {sound}, {heard}, is left out"
    return [told if heard == _UNKNOWN else f"{told}: {name.suffix} does not hold it: write .mkv"]


def _codec(stream):
    return _UNKNOWN if stream.codec_context is None else stream.codec_context.name


def _copy(source, target, kind, rate, sound, span):
    """Whether all was copied; nothing is, where the container does not know the sound's codec."""
    av = library("a video file")
    with contextlib.ExitStack() as stack:
        video = stack.enter_context(opened(source)).streams.video[0]
        output = stack.enter_context(
            av.open(f"file:{target}", mode="w", format=kind, options=_WHOLE.get(kind))
        )
        copy = output.add_stream_from_template(video)
        if video.codec_context.codec_tag == "hvc1":
            copy.codec_context.codec_tag = "hvc1"
        copies = [_timed(_video_packets(video, kind, rate), copy)]
        if sound is not None:
            heard = stack.enter_context(opened(sound)).streams.audio[0]
            if heard.codec_context.name not in output.supported_codecs:
                return False
            copy = output.add_stream_from_template(heard)
            copies.append(_timed(_sound_packets(heard, span), copy))
        for _, packet in heapq.merge(*copies, key=lambda timed: timed[0]):
            output.mux(packet)
    return True


def _timed(packets, copy):
    """`(seconds, packet)` of the packets of a stream that is copied."""
    for packet in packets:
        time = float((packet.pts if packet.dts is None else packet.dts) * packet.time_base)
        packet.stream = copy
        yield time, packet


def _video_packets(video, kind, rate) -> Iterator["av.Packet"]:
    last = -1
    for packet in video.container.demux(video):
        if not packet.size:
            continue
        if kind == "avi":
            last = max(round(packet.pts * packet.time_base * rate), last + 1)
            packet.pts = packet.dts = last
            packet.time_base, packet.duration = 1 / rate, 1
        yield packet


def _sound_packets(heard, span) -> Iterator["av.Packet"]:
    """Those that begin within the span; they end where the file is damaged."""
    av = library("sound")
    start = clock_start(heard.container)
    unit = heard.time_base
    first, end = (round((time + start) / unit) for time in span)
    with contextlib.suppress(av.error.FFmpegError):
        for packet in heard.container.demux(heard):
            if packet.size and packet.pts is not None and first <= packet.pts < end:
                packet.pts -= first
                packet.dts = packet.pts
                yield packet
