"""What a training run tells while it goes on: JSON lines, and event files for TensorBoard."""

import pathlib

import numpy as np
from flax import traverse_util

from ttd_jax.errors import explain_os_errors
from ttd_jax.files import append_line, dump_lines, read_json_lines, write_whole

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
        self._path = workdir / LINES
        self._events = None
        if not writes:
            return
        from tensorboardX import SummaryWriter

        kept = [record for record in read_json_lines(self._path, LIKE) if record["step"] <= step]
        with explain_os_errors(workdir):
            write_whole(self._path, dump_lines(kept))
            self._events = SummaryWriter(str(workdir / EVENTS), purge_step=step + 1)

    def write(self, kind: str, step: int, figures: dict) -> None:
        """Adds one record."""
        if self._events is None:
            return
        record = {"kind": kind, "step": step, **figures}
        with explain_os_errors(self._path):
            append_line(self._path, record)
        for name, value in traverse_util.flatten_dict(figures, sep="/").items():
            if isinstance(value, int | float):
                self._events.add_scalar(f"{kind}/{name}", value, step)

    def show(self, name: str, step: int, picture: np.ndarray) -> None:
        """Adds a picture u8[H, W, 3] to the event files."""
        if self._events is not None:
            self._events.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        """Ends the event file."""
        if self._events is not None:
            self._events.close()
