"""Videos written frame by frame, so that whatever ends the process leaves a file that plays."""

import contextlib
import os
import pathlib
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.files import part_in
from ttd_jax.folders import holding
from ttd_jax.pictures.video import pixels
from ttd_jax.pictures.video.encoding import CONTAINERS, choose_encoding
from ttd_jax.pictures.video.ffmpeg import library
from ttd_jax.pictures.video.remuxing import remux
from ttd_jax.places import on_disk

_UNIT = Fraction(1, 90_000)  # seconds, of time stamps: MPEG's own
# What is written already can be read, though the rest is missing.
_WHILE_WRITTEN = {
    "mp4": {"movflags": "frag_keyframe+delay_moov+default_base_moof"},
    "mov": {"movflags": "frag_keyframe+delay_moov+default_base_moof"},
    "matroska": {"cluster_time_limit": "1000"},
}


class VideoWriter:
    """Writes a video; a context manager.

    While it is written it lies in `partial`, as fragmented MP4 or as Matroska, which can be played
    whenever the process ends, but for the last seconds. Left without an error, it is copied beside
    its sound into its final place, at once and whole, and `partial` is removed. Left by an
    exception, `partial` is closed and stays.

    Time stamps begin at zero and are kept to 1/90000 s, to 1 ms in .mkv; .avi has one rate, to
    whose steps they are rounded. Values are taken as sRGB and tagged BT.709; see
    `choose_encoding` for the codecs and `pixels` for what depths become.

    Attributes:
      partial: the file while it is written: NAME.partial.SUFFIX, .mkv for .avi.
      count: frames that were added.
      remarks: what somebody should know of the file, each in a line.

    Example:
      >>> from ttd_jax.pictures.video.writing import VideoWriter
      >>> folder = getfixture("tmp_path")
      >>> with VideoWriter(
      ...     folder / "a.mp4", size=(32, 48), colored=True, dtype=np.uint8, rate=25
      ... ) as video:
      ...     for number in range(5):
      ...         video.add(np.zeros((32, 48, 3), np.uint8), number / 25)
      >>> [file.name for file in folder.iterdir()]
      ['a.mp4']
    """

    def __init__(
        self,
        path: pathlib.Path,
        *,
        size: tuple[int, int],
        colored: bool,
        dtype: np.dtype,
        rate: float,
        sound: pathlib.Path | None = None,
    ) -> None:
        """Chooses how to write; the file is made on entering.

        Args:
          path: of the video, whose suffix is .mp4, .mov, .mkv or .avi.
          size: (H, W).
          colored: whether frames are RGB, rather than gray.
          dtype: of the frames: u8 or u16.
          rate: usual frames a second; the time stamps tell when each is shown.
          sound: the file whose sound is kept, on whose clock the frames' times are; None for none.

        Raises:
          UserError: another suffix, a place in an object store, or PyAV is not installed; on
            entering: another run is writing it, or it cannot be written.
        """
        self._av = library(f"{path}: a video file")
        if not on_disk(path):
            raise UserError(f"{path}: a video is written to a disk: copy it from there")
        self.path, self._sound, self._rate = path, sound, rate
        self._shape, self._dtype = (*size, 3 if colored else 1), np.dtype(dtype)
        self._encoding = choose_encoding(path, size=size, colored=colored, dtype=dtype, rate=rate)
        self._kind = CONTAINERS[path.suffix.lower()]
        self.partial = partial_of(path)
        self.count, self.remarks = 0, []
        self._first = self._last = 0.0
        self._stamp = -1
        if self._encoding.in_four_four_four:
            self.remarks.append(
                f"{path}: {size[1]}x{size[0]} is odd: color is 4:4:4, which browsers and phones "
                "may not play: crop it to even sides for them"
            )

    def __enter__(self) -> "VideoWriter":
        kind = "matroska" if self._kind == "avi" else self._kind
        with self._explained(), contextlib.ExitStack() as undo:
            undo.enter_context(holding(self.partial))
            try:
                self._container = self._av.open(
                    f"file:{self.partial}",
                    mode="w",
                    format=kind,
                    options={**_WHILE_WRITTEN[kind], "flush_packets": "1"},
                )
                self._stream = self._add_stream()
            except BaseException:
                self.partial.unlink(missing_ok=True)
                raise
            self._held = undo.pop_all()
        return self

    def add(self, frame: np.ndarray, time: float) -> None:
        """Adds a frame.

        Args:
          frame: u8 or u16 [H, W, 1 or 3], gray or RGB, as the writer was told.
          time: seconds when it is shown, later than that of the frame before.

        Raises:
          UserError: it cannot be written: the disk is full.
          ValueError: it is of another shape or type.
        """
        if frame.shape != self._shape or frame.dtype != self._dtype:
            raise ValueError(
                f"a frame is {self._dtype}{list(self._shape)}, got {frame.dtype}{list(frame.shape)}"
            )
        if not self.count:
            self._first = time
        # Stamps ascend, whatever rounding makes of times.
        self._stamp = max(round((time - self._first) / _UNIT), self._stamp + 1)
        self._last = time
        encoded = pixels.to_frame(frame, self._encoding.pixel_format)
        encoded.pts, encoded.time_base = self._stamp, _UNIT
        with self._explained():
            self._container.mux(self._stream.encode(encoded))
        self.count += 1

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        with self._held:
            if kind is not None:
                with contextlib.suppress(Exception):  # what went wrong before is told
                    self._close()
                return
            with self._explained():
                self._close()
                if self.count:
                    self._finish()

    def _add_stream(self):
        encoding = self._encoding
        try:
            stream = self._container.add_stream(
                encoding.codec, rate=_fraction(self._rate), options=encoding.options
            )
        except self._av.codec.codec.UnknownCodecError as error:
            raise UserError(
                f"{self.path}: PyAV was built without {encoding.codec}: pip install av, or write "
                ".avi"
            ) from error
        stream.height, stream.width, _ = self._shape
        stream.pix_fmt = encoding.pixel_format
        context = stream.codec_context
        context.time_base = _UNIT
        if encoding.codec == "libx265" and self._kind != "matroska":
            context.codec_tag = "hvc1"  # which Apple's players ask for
        if encoding.pixel_format.startswith("yuv"):
            context.color_range = pixels.LIMITED
            context.colorspace = context.color_primaries = context.color_trc = pixels.BT709
        else:
            context.color_range = pixels.FULL
        return stream

    def _close(self):
        """Ends `partial`; of no frames nothing stays."""
        try:
            if self.count:
                self._container.mux(self._stream.encode())
        finally:
            self._container.close()
            if not self.count:
                self.partial.unlink(missing_ok=True)

    def _finish(self):
        part = part_in(self.path.parent)
        try:
            self.remarks += remux(
                self.partial,
                part,
                self._kind,
                rate=_fraction(self._rate),
                sound=self._sound,
                span=(self._first, self._last + 1 / self._rate),
                name=self.path,
            )
            os.replace(part, self.path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        self.partial.unlink()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        mend = "choose another place or free some space"
        if self.count:
            mend += f"; {self.partial.name} holds what was written"
        try:
            with explain_os_errors(self.path, mend):
                yield
        except self._av.error.FFmpegError as error:
            raise UserError(f"{self.path}: cannot write: {error.strerror}: {mend}") from error


def partial_of(path: pathlib.Path) -> pathlib.Path:
    """Where a video lies while it is written; .avi in Matroska, since AVI plays as a whole only."""
    suffix = ".mkv" if path.suffix.lower() == ".avi" else path.suffix
    return path.with_name(f"{path.stem}.partial{suffix}")


def write_video(path: pathlib.Path, frames: Sequence[np.ndarray], *, rate: float) -> None:
    """Writes frames at an even rate; see `VideoWriter`.

    Args:
      path: of the video.
      frames: one or more, u8 or u16 [H, W, 1 or 3], all alike.
      rate: frames a second.

    Raises:
      UserError: see `VideoWriter`.
    """
    *size, channels = frames[0].shape
    options = {"size": tuple(size), "colored": channels == 3, "dtype": frames[0].dtype}
    with VideoWriter(path, **options, rate=rate) as video:
        for number, frame in enumerate(frames):
            video.add(frame, number / rate)


def _fraction(rate):
    return Fraction(rate).limit_denominator(1001)
