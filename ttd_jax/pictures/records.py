"""What is finished of a run that may be stopped at any moment.

A record is a JSON-able dict that tells what it is of and of which files, by their hashes: one
whose files have changed since is of no use to anybody, and nobody asks for it. Records are lines
of JSON, a file for each process, next to the settings that all of them were made with. A run
that ends in `summary.json` keeps them in `.unfinished/` until then.
"""

import contextlib
import json
import pathlib
import shutil
from collections.abc import Callable, Iterable, Mapping

from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.files import dumps, read_json_lines, write_whole

SUMMARY = "summary.json"
TIMINGS = "timings.json"
UNFINISHED = ".unfinished"
_SETTINGS = "settings.json"
_FULL = "free some space, then run again with --resume"


def image_key(record: Mapping) -> tuple:
    """Data set, image and hashes: what a record of them is of."""
    return record["dataset"], record["image"], *record["sha256"]


class Records:
    """The records of a run, possibly of several processes that share a folder.

    Args:
      out: the output folder.
      process: this process's index.
      folder: of the records, within `out`.
      key: what a record is of; the last record of a key counts.
    """

    def __init__(
        self,
        out: pathlib.Path,
        *,
        process: int = 0,
        folder: str = "records",
        key: Callable[[Mapping], tuple] = image_key,
    ):
        self._out = out
        self._folder = out / folder
        self._lines = self._folder / f"process-{process:05}.jsonl"
        self._key = key
        self._created = not out.exists()

    def start(self, settings: Mapping, *, resume: bool, first: bool = True) -> None:
        """Opens a folder that never loses a record.

        Args:
          settings: what must be the same for records to be kept.
          resume: whether to go on with what is there.
          first: whether this process answers for the folder as a whole.

        Raises:
          UserError: the folder holds records of other settings, or records and no `resume`; or it
            cannot be written.
        """
        self.find(settings, resume=resume)
        own = read_json_lines(self._lines) if self._lines.exists() else []
        self.open(settings, own, first=first)

    def find(self, settings: Mapping, *, resume: bool = True) -> dict[tuple, dict]:
        """Every finished record, by its key; writes nothing.

        Raises:
          UserError: see `start`.
        """
        known = _read(self._folder / _SETTINGS)
        for one in [*([known] if known else []), *(r["settings"] for r in self._summary()[:1])]:
            check_settings(self._out, one, settings)
        if not resume and self._lines.exists() and read_json_lines(self._lines):
            raise UserError(
                f"{self._out}: holds results already: pass --resume, or choose another --out"
            )
        return self.finished()

    def finished(self) -> dict[tuple, dict]:
        """Every whole record of every process whose files are there, by its key."""
        lines = [r for path in sorted(self._folder.glob("*.jsonl")) for r in read_json_lines(path)]
        return {
            self._key(record): {k: v for k, v in record.items() if k != "settings"}
            for record in [*self._summary(), *lines]
            if all((self._out / name).is_file() for name in record.get("files", ()))
        }

    def open(self, settings: Mapping, kept: Iterable[Mapping] = (), *, first: bool = True) -> None:
        """Makes the folders, and starts with the records that are kept; see `start`."""
        with explain_os_errors(self._out, "choose another --out or free some space"):
            self._folder.mkdir(parents=True, exist_ok=True)
            if first:
                self._write(self._folder / _SETTINGS, dumps(settings))
            self._write(self._lines, "".join(map(_line, kept)))
            (self._out / SUMMARY).unlink(missing_ok=True)
            (self._out / TIMINGS).unlink(missing_ok=True)

    def append(self, record: Mapping, files: Iterable[tuple] = ()) -> None:
        """Adds one record, after its files: `(path within the output folder, bytes)`."""
        with explain_os_errors(self._out, _FULL):
            for name, data in files:
                target = self._out / name
                target.parent.mkdir(parents=True, exist_ok=True)
                self._write(target, data)
            with self._lines.open("a", encoding="utf-8") as lines:
                lines.write(_line(record))

    def close(
        self,
        settings: Mapping,
        records: Iterable[Mapping],
        timings: Mapping,
        files: Iterable[tuple] = (),
    ) -> list[dict]:
        """Ends a finished run, with further files of the whole; gives what the summary says."""
        summary = [{**record, "settings": dict(settings)} for record in records]
        with explain_os_errors(self._out, _FULL):
            for name, data in files:
                self._write(self._out / name, data)
            self._write(self._out / TIMINGS, dumps(timings))
            self._write(self._out / SUMMARY, dumps(summary))
            shutil.rmtree(self._folder)
        return summary

    def abandon(self) -> None:
        """Ends a stopped run: leaves no trace if nothing was finished."""
        if self._lines.exists() and not read_json_lines(self._lines):
            shutil.rmtree(self._folder, ignore_errors=True)
            if self._created:
                for folder in (*self._out.glob("*/"), self._out):
                    with contextlib.suppress(OSError):
                        folder.rmdir()  # only if nothing came of it

    def _summary(self):
        return _read(self._out / SUMMARY) or []

    def _write(self, target, data):
        write_whole(target, data, self._lines.with_suffix(".part"))


def check_settings(
    place: pathlib.Path, known: Mapping, given: Mapping, *, flag: str = "--out"
) -> None:
    """Refuses results that were made with other settings.

    Args:
      place: where they are.
      known: the settings that they were made with.
      given: those of this run; JSON-able.
      flag: that names the place.

    Raises:
      UserError: it names the settings that differ.
    """
    changed = sorted(_differences(known, json.loads(dumps(given))))
    if changed:
        raise UserError(
            f"{place}: holds results made with another {', '.join(changed)}: choose another "
            f"{flag}, or the settings that they were made with"
        )


def _differences(one, other, name=""):
    """Names of what differs: fields joined by '.', items of lists as in NAME[0]."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            inner = f"{name}.{key}" if name else key
            yield from _differences(one.get(key), other.get(key), inner)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from _differences(*pair, f"{name}[{index}]")
    elif one != other:
        yield name


def _read(path):
    """The content of a file of JSON, None if there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: unreadable: remove it and run again") from error


def _line(record):
    return json.dumps(record, ensure_ascii=False) + "\n"
