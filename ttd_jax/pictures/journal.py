"""The output folder of a run over scenes that may be stopped at any moment.

While a run goes on, `.unfinished/` inside the output folder holds one line of JSON for every
finished scene and the file being written; a finished run leaves `summary.json` and
`timings.json` in its place. A record is a dict with at least `scene` (its name), `settings` (of
the run) and `files` (relative to the folder).
"""

import contextlib
import json
import os
import pathlib
import shutil

from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.files import dumps, read_json_lines

SUMMARY = "summary.json"
TIMINGS = "timings.json"
_WORK = ".unfinished"
_LINES = "scenes.jsonl"


class Journal:
    """Writes the files of scenes whole or not at all, and remembers the finished ones."""

    def __init__(self, out: pathlib.Path):
        self._out = out
        self._work = out / _WORK
        self._lines = self._work / _LINES
        self._created = not out.exists()

    def finished(self, settings: dict) -> dict[str, dict]:
        """Records of finished scenes whose files are there, by name.

        Args:
          settings: those of this run.

        Raises:
          UserError: the folder holds results of other settings.
        """
        records = {}
        for record in [*self._read_summary(), *self._read_lines()]:
            changed = sorted(k for k in settings if record["settings"].get(k) != settings[k])
            if changed:
                raise UserError(
                    f"{self._out}: holds results made with another {', '.join(changed)}: "
                    "choose another --out, or leave out --resume to make them anew"
                )
            if all((self._out / name).is_file() for name in record["files"]):
                records[record["scene"]] = record
        return records

    def open(self, kept: dict[str, dict]):
        """Makes the folders and starts the journal with the records that are kept."""
        with explain_os_errors(self._out, "choose another --out or free some space"):
            self._work.mkdir(parents=True, exist_ok=True)
            self._replace(self._lines, "".join(_line(r) for r in kept.values()).encode())
            (self._out / SUMMARY).unlink(missing_ok=True)
            (self._out / TIMINGS).unlink(missing_ok=True)

    def write_scene(self, record: dict, files):
        """Writes all files of a scene, then its record."""
        with explain_os_errors(self._out, "free some space, then run again with --resume"):
            for name, data in files:
                target = self._out / name
                target.parent.mkdir(parents=True, exist_ok=True)
                self._replace(target, data)
            with self._lines.open("a") as lines:
                lines.write(_line(record))

    def close(self, summary: list[dict], timings: dict, files=()):
        """Ends a finished run; `files` are further `(relative path, bytes)` of the whole run."""
        with explain_os_errors(self._out, "free some space, then run again with --resume"):
            for name, data in files:
                self._replace(self._out / name, data)
            self._replace(self._out / TIMINGS, dumps(timings).encode())
            self._replace(self._out / SUMMARY, dumps(summary).encode())
            shutil.rmtree(self._work)

    def abandon(self):
        """Ends a stopped run: leaves no trace if no scene was finished."""
        if self._work.is_dir() and not self._read_lines():
            shutil.rmtree(self._work, ignore_errors=True)
            if self._created:
                for folder in sorted(self._out.glob("*/")):
                    _remove_if_empty(folder)
                _remove_if_empty(self._out)

    def _replace(self, target, data):
        part = self._work / "part"
        try:
            part.write_bytes(data)
            os.replace(part, target)
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def _read_summary(self):
        try:
            return json.loads((self._out / SUMMARY).read_text())
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise UserError(
                f"{self._out / SUMMARY}: unreadable: remove it and run again"
            ) from error

    def _read_lines(self):
        try:
            return read_json_lines(self._lines)
        except OSError:
            return []


def _line(record):
    return json.dumps(record, sort_keys=True, ensure_ascii=False) + "\n"


def _remove_if_empty(folder):
    with contextlib.suppress(OSError):
        folder.rmdir()
