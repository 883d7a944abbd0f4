"""What a training run tells while it goes on: JSON lines, and event files for TensorBoard."""

import pathlib
import time
from typing import Any

import numpy as np
from flax import traverse_util

from ttd_jax.errors import explain_os_errors
from ttd_jax.files import append_lines, dump_lines, read_json_lines, write_whole

LINES = "log.jsonl"
EVENTS = "events"
LIKE = {"kind": str, "step": int}


class Logs:
    """`log.jsonl`, one record a line, and the same figures in `events/`.

    A record is a dict with `kind` ('train' or 'validation'), `step`, and figures, nested or not.
    Only one process of a run writes; in the others nothing happens.
    """

    def __init__(self, workdir: pathlib.Path, *, step: int, writes: bool):
        """Opens the logs of a run that stands at `step`: what was told of later steps is forgotten.

        Raises:
          UserError: the files cannot be written.
        """
        self._path, self._folder = workdir / LINES, workdir / EVENTS
        self._events = None
        if not writes:
            return
        # `SummaryWriter` writes in a thread: that dies where the disk is full, and the run hangs.
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog

        kept = [record for record in read_json_lines(self._path, LIKE) if record["step"] <= step]
        with explain_os_errors(workdir):
            write_whole(self._path, dump_lines(kept))
            self._folder.mkdir(exist_ok=True)
            self._events = EventsWriter(str(self._folder / "events"))
        self._add(step + 1, session_log=SessionLog(status=SessionLog.START))

    def write(self, kind: str, step: int, figures: dict) -> None:
        """Adds one record."""
        if self._events is None:
            return
        record = {"kind": kind, "step": step, **figures}
        with explain_os_errors(self._path):
            append_lines(self._path, [record])
        values = [
            {"tag": f"{kind}/{name}", "simple_value": value}
            for name, value in traverse_util.flatten_dict(figures, sep="/").items()
            if isinstance(value, int | float)
        ]
        self._add(step, summary={"value": values})

    def show(self, name: str, step: int, picture: np.ndarray) -> None:
        """Adds a picture u8[H, W, 3] to the event files."""
        if self._events is not None:
            from tensorboardX import summary

            self._add(step, summary=summary.image(name, picture, dataformats="HWC"))

    def close(self) -> None:
        """Ends the event file."""
        if self._events is not None:
            with explain_os_errors(self._folder):
                self._events.close()

    def _add(self, step: int, **event: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        with explain_os_errors(self._folder):
            self._events.write_event(Event(wall_time=time.time(), step=step, **event))
            self._events.flush()
