"""The fused frames of a sequence in a video, beside what is told of it."""

import contextlib
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.files import dumps, write_whole
from ttd_jax.fusing.frames import SequenceFrame
from ttd_jax.fusing.outputs import of_type, output_type
from ttd_jax.fusing.state import START, State
from ttd_jax.fusing.tally import Tally, frame_record
from ttd_jax.pictures.video.encoding import CONTAINERS, choose_encoding
from ttd_jax.pictures.video.ffmpeg import library
from ttd_jax.pictures.video.pairing import RATE
from ttd_jax.pictures.video.writing import VideoWriter, partial_of
from ttd_jax.places import on_disk, resolved


class FrameVideo:
    """A video, and beside it what is told of it in NAME.json; see `FrameFolder`.

    Args:
      job: a `ttd_jax.fusing.sequence.SequenceJob`.

    Attributes:
      writer: of the video; None before the first frame.
    """

    def __init__(self, job: Any):
        self._job, self._told_in = job, job.out.with_suffix(".json")
        self._stack, self._told = contextlib.ExitStack(), {}
        self.writer = None

    def check(self) -> None:
        """Refuses what cannot be.

        Raises:
          UserError: there is a file already, something else than fused pictures is to be in it, it
            is to be gone on with, it replaces a source, frames are too small for its codec, or PyAV
            is not installed.
        """
        out, fusing = self._job.out, self._job.options.fusing
        mend = f"pass a folder, not --out={out}"
        if self._job.resume:
            raise UserError(f"--resume: no run goes on with a video: {mend}")
        if fusing.save != ("fused",):
            saved = ",".join(fusing.save)
            raise UserError(f"--save={saved}: a video holds the fused frames alone: {mend}")
        if fusing.format != "png":
            raise UserError(f"--format={fusing.format}: is of pictures: {mend}")
        if fusing.output_range != "type":
            raise UserError(
                f"--output_range={fusing.output_range}: a video has no values of a source: {mend}"
            )
        if not on_disk(out):
            raise UserError(f"--out={out}: a video is written to a disk: copy it from there")
        library(f"{out}: a video file")
        first = self._job.first
        _, dtype = output_type(first, fusing)
        choose_encoding(out, size=first[0].size, colored=True, dtype=dtype, rate=RATE)
        partial = partial_of(out)
        if any(resolved(stream.path) == resolved(partial) for stream in self._job.streams):
            raise UserError(f"{partial}: is a source, which --out={out} replaces: choose another")
        self._keep_others()

    def _keep_others(self):
        for path in (self._job.out, self._told_in):
            if path.exists():
                raise UserError(f"{path}: already exists: choose another --out")

    @staticmethod
    def takes(out: pathlib.Path) -> bool:
        """Whether a place is that of a video, by its suffix."""
        return out.suffix.lower() in CONTAINERS and not out.is_dir()

    @property
    def remarks(self) -> list[str]:
        """What somebody should know of the file."""
        return list(self.writer.remarks) if self.writer else []

    def name(self, number: int) -> str:
        """What messages call a frame."""
        return f"frame {number + 1}"

    @contextlib.contextmanager
    def opened(self, tally: Tally, capacity: int) -> Iterator[State]:
        """Gives where to begin; ends the video, or leaves what there is of it after an error."""
        del tally, capacity
        folder = self._job.out.parent
        with explain_os_errors(folder, "choose another --out"):
            folder.mkdir(parents=True, exist_ok=True)
        with self._stack:
            yield START
        with explain_os_errors(self._told_in):
            remarks = [*self._job.remarks, *self.remarks]
            told = {**self._told, "remarks": remarks, "settings": self._job.settings}
            write_whole(self._told_in, dumps(told))

    def write(self, frame: SequenceFrame, result: Mapping[str, Any], *, how: str) -> dict:
        """Adds a frame; gives its record."""
        _, dtype = output_type(frame.pictures, self._job.options.fusing)
        fused = of_type(result["fused"], dtype, how)
        if self.writer is None:
            stream = self._job.streams[0]
            writer = VideoWriter(
                self._job.out,
                size=fused.shape[:2],
                colored=fused.shape[2] == 3,
                dtype=fused.dtype,
                rate=stream.rate or RATE,
                sound=stream.path if stream.has_sound else None,
            )
            writer = self._stack.enter_context(writer)
            self._keep_others()  # another run may have ended meanwhile
            self.writer = writer
        self.writer.add(fused, float(self._job.pairing.times[frame.number]))
        return frame_record(self._job, frame, result, self.name(frame.number))

    def keep(self, state: State) -> None:
        """Nothing: no run goes on with a video."""

    def finish(self, told: Mapping, times: Mapping) -> None:
        """Ends a finished run."""
        del times
        self._told = told
