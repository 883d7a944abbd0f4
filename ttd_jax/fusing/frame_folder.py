"""The fused frames of a sequence in a folder, which a later run goes on from."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.files import dumps
from ttd_jax.folders import alone
from ttd_jax.fusing.frames import SequenceFrame
from ttd_jax.fusing.outputs import output_files
from ttd_jax.fusing.state import START, State
from ttd_jax.fusing.tally import Tally, frame_record
from ttd_jax.pictures.records import UNFINISHED, Records
from ttd_jax.pictures.video.encoding import CONTAINERS

KIND = "fuse sequence"  # of results, in their folder
SEQUENCE = "sequence.json"
_STATE = "state.npz"
_LIKE = {
    "scene": str,
    "frame": int,
    "dominates": [float],
    "files": {str: str},
}


class FrameFolder:
    """Pictures of every frame and their records, which a later run goes on from.

    Args:
      job: a `ttd_jax.fusing.sequence.SequenceJob`.
    """

    remarks = ()

    def __init__(self, job: Any):
        self._job, self._own = job, {}
        self._records = Records(
            job.out, like=_LIKE, folder=UNFINISHED, key=lambda record: (record["frame"],)
        )

    def check(self) -> None:
        """Refuses to overwrite.

        Raises:
          UserError: there are results and no `resume`, or results of other settings; it is a file.
        """
        out = self._job.out
        if out.exists() and not out.is_dir():
            raise UserError(
                f"{out}: is a file: choose a folder as --out, or a video by its suffix "
                f"({', '.join(CONTAINERS)})"
            )
        self._find()

    def name(self, number: int) -> str:
        """Of a frame: its file's in a folder, or the first stream's with the number of its own."""
        stream, index = self._job.streams[0], int(self._job.pairing.indices[number, 0])
        return stream.files[index].stem if stream.files else f"{stream.path.stem}_{index + 1:06}"

    @contextlib.contextmanager
    def opened(self, tally: Tally, capacity: int) -> Iterator[State]:
        """Holds the folder and gives where to go on, with a batch of so many frames.

        What was before counts in the tally.
        """
        job = self._job
        with alone(job.out, KIND), self._records.leaving_no_trace():
            found = self._find()
            state = self._state(found, capacity)
            self._own = {number: found[number,] for number in range(state.number)}
            for record in self._own.values():
                tally.add(record)
            self._records.open(job.settings)
            yield state

    def _find(self):
        return self._records.find(self._job.settings, resume=self._job.resume)

    def _state(self, found, capacity):
        """The last one before which all frames are whole."""
        in_order = (found.get((number,)) for number in range(len(self._job)))
        known = list(itertools.takewhile(lambda record: record is not None, in_order))
        whole = sum(1 for _ in itertools.takewhile(bool, self._records.intact(known)))
        if whole == len(self._job):
            return State(whole)
        state = State.load(self._job.out / UNFINISHED / _STATE)
        fits = state is not None and state.number <= whole and not state.number % capacity
        return state if fits else START

    def write(self, frame: SequenceFrame, result: Mapping[str, Any], *, how: str) -> dict:
        """Writes a frame; gives its record."""
        job, name = self._job, self.name(frame.number)
        files = output_files(
            name,
            job.roles,
            job.options.fusing,
            result,
            pictures=frame.pictures,
            quantize_how=how,
        )
        record = self._records.append(frame_record(job, frame, result, name), files)
        self._own[frame.number] = record
        return record

    def keep(self, state: State) -> None:
        """Saves where a later run may go on."""
        with explain_os_errors(self._job.out, "free some space, then run again with --resume"):
            state.save(self._job.out / UNFINISHED / _STATE, self._job.out)

    def finish(self, told: Mapping, times: Mapping) -> None:
        """Ends a finished run."""
        ordered = [self._own[number] for number in sorted(self._own)]
        files = [(SEQUENCE, dumps({**told, "settings": self._job.settings}))]
        self._records.close(self._job.settings, ordered, times, files)
