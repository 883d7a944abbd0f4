"""Scores per image on disk, appended as they are made: one JSON-lines file a process."""

import json
import os
import pathlib

from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.files import dumps, read_json_lines, write_whole

_SETTINGS = "settings.json"
_FOLDER = "records"


class Records:
    """The records of an evaluation, possibly of several processes that share a folder."""

    def __init__(self, out: pathlib.Path, process: int):
        self._out = out
        self._file = out / _FOLDER / f"process-{process:05}.jsonl"

    def start(self, settings: dict, *, resume: bool, first: bool):
        """Prepares the folder.

        Args:
          settings: what must be the same for records to be kept.
          resume: whether to keep what is there.
          first: whether this process answers for the folder as a whole.

        Raises:
          UserError: the folder holds records of other settings, or records and no `resume`; or it
            cannot be written.
        """
        text = dumps(settings)
        path = self._out / _SETTINGS
        known = json.loads(path.read_text()) if path.is_file() else None
        if known is not None:
            changed = sorted(k for k in settings if known.get(k) != json.loads(text)[k])
            if changed:
                raise UserError(
                    f"{self._out}: holds results made with another {', '.join(changed)}: choose "
                    "another --out"
                )
        if not resume and self._file.exists():
            raise UserError(
                f"{self._out}: holds results already: pass --resume, or choose another --out"
            )
        with explain_os_errors(self._out):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._drop_torn_line()
            if first and known is None:
                write_whole(path, text)

    def finished(self) -> dict[tuple, dict]:
        """Every whole record of every process, by (data set, image)."""
        records = {}
        for path in sorted(self._file.parent.glob("*.jsonl")):
            for record in read_json_lines(path):
                records[record["dataset"], record["image"]] = record
        return records

    def append(self, record: dict):
        """Adds one record."""
        mend = "free some space, then run again with --resume"
        with explain_os_errors(self._out, mend), self._file.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def _drop_torn_line(self):
        """A killed process may leave half a last line: what comes next must not join it."""
        if self._file.is_file():
            data = self._file.read_bytes()
            if data and not data.endswith(b"\n"):
                os.truncate(self._file, data.rfind(b"\n") + 1)
