"""What is finished of a run that may be stopped at any moment.

A record is a JSON-able dict that tells what it is of and of which files, by their hashes: one
whose files have changed since is of no use to anybody, and nobody asks for it. Records are lines
of JSON, a file for each process, next to the settings that all of them were made with; in an object
store a process has an object for everything it has added at a time. A run that ends in
`summary.json` keeps them in `.unfinished/` until then.

Whoever writes records holds the output folder: see `ttd_jax.folders.alone`.
"""

import concurrent.futures
import contextlib
import hashlib
import json
import pathlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from ttd_jax.core.dominability import LOSS_MAPS, DominabilitySettings
from ttd_jax.errors import UserError, explain_os_errors, some
from ttd_jax.files import (
    append_lines,
    dump_lines,
    dumps,
    part_in,
    read_json,
    read_json_lines,
    write_whole,
)
from ttd_jax.places import on_disk, remove_folder
from ttd_jax.registry import versions

SUMMARY = "summary.json"
TIMINGS = "timings.json"
UNFINISHED = ".unfinished"
_SETTINGS = "settings.json"
_LINES = "process-{}.jsonl"
_FULL = "free some space, then run again with --resume"
# What a record of one image of a data set is like, see `ttd_jax.files.fits`; jobs add their own.
IMAGE = {"dataset": str, "image": str, "sha256": [str]}


def image_key(record: Mapping) -> tuple:
    """Data set, image and hashes: what a record of them is of."""
    return record["dataset"], record["image"], *record["sha256"]


class Records:
    """The records of a run, possibly of several processes that share a folder.

    Args:
      out: the output folder.
      like: what a record must be like, see `ttd_jax.files.fits`; it has all that `key` reads.
      process: this process's index.
      folder: of the records, within `out`.
      key: what a record is of; the last record of a key counts.
      root: the folder that the run holds, where killed runs leave their parts; `out` by default.
    """

    def __init__(
        self,
        out: pathlib.Path,
        *,
        like: Mapping[str, Any] = IMAGE,
        process: int = 0,
        folder: str = "records",
        key: Callable[[Mapping], tuple] = image_key,
        root: pathlib.Path | None = None,
    ):
        self._out, self._root = out, root or out
        self._like = dict(like)
        self._folder = out / folder
        self._lines = self._folder / _LINES.format(f"{process:05}")
        self._key = key

    def find(self, settings: Mapping, *, resume: bool = True) -> dict[tuple, dict]:
        """Every finished record, by its key; writes nothing.

        Args:
          settings: what must be the same for records to be kept.
          resume: whether to go on with what is there.

        Raises:
          UserError: there are records of other settings, or records and no `resume`; or something
            there is damaged.
        """
        summary, lines = self._summary({}), self._all_lines({})
        if not self._with_files([*summary, *lines]):
            return {}  # settings without a result bind nobody
        every = [record["settings"] for record in summary]
        if lines:
            file, mend = self._folder / _SETTINGS, f"remove {self._folder} and run again"
            known = read_json(file, {}, mend=mend)
            if known is not None:
                every.append(known)
            elif not summary and self._all_lines({}):  # no other run has just ended, nor was killed
                raise UserError(f"{file}: is missing: {mend}")
        for known in every:
            check_settings(self._out, known, settings)
        found = self.finished()  # what a record is like depends on its settings
        if not resume:
            raise UserError(
                f"{self._out}: holds results already: pass --resume, or choose another --out"
            )
        return found

    def finished(self) -> dict[tuple, dict]:
        """Every whole record of every process whose files are there, by its key.

        Raises:
          UserError: a file of records is damaged.
        """
        every = [*self._summary(self._like), *self._all_lines(self._like)]
        return {
            self._key(record): {k: v for k, v in record.items() if k != "settings"}
            for record in self._with_files(every)
        }

    def intact(self, records: Collection[Mapping]) -> Iterator[bool]:
        """Whether the files of each record still hold what was written."""

        def same(record):
            with contextlib.suppress(OSError):
                return all(
                    hashlib.sha256((self._out / name).read_bytes()).hexdigest() == sha256
                    for name, sha256 in record.get("files", {}).items()
                )
            return False

        with concurrent.futures.ThreadPoolExecutor() as pool:
            yield from pool.map(same, records)

    def open(self, settings: Mapping, *, first: bool = True) -> None:
        """Makes the folder of the records and keeps those of `find`.

        Args:
          settings: of the run; JSON-able.
          first: whether this process answers for the folder as a whole.

        Raises:
          UserError: it cannot be written.
        """
        local = on_disk(self._lines)
        kept = self._with_files(read_json_lines(self._lines, self._like) if local else [])
        with explain_os_errors(self._out, "choose another --out or free some space"):
            self._folder.mkdir(parents=True, exist_ok=True)
            if first:
                self._write(self._folder / _SETTINGS, dumps(settings))
            if local:
                # Anew: what a killed process has left of a line must not precede the next one.
                self._write(self._lines, dump_lines(kept))

    def append(self, record: Mapping, files: Iterable[tuple] | None = None) -> dict:
        """Adds one record, after its files.

        Args:
          record: JSON-able.
          files: `(path within the output folder, bytes)`.

        Returns:
          The record; with files it has their hashes: `files`, path -> sha256.

        Raises:
          UserError: it cannot be written; no file of it is left.
        """
        written = {}
        try:
            with explain_os_errors(self._out, _FULL):
                for name, data in files or ():
                    target = self._out / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    written[str(name)] = hashlib.sha256(data).hexdigest()
                    self._write(target, data)
                    del data  # a large picture leaves before the next one comes
                record = dict(record) if files is None else {**record, "files": written}
                append_lines(self._lines, [record])
        except BaseException:
            for name in written:
                with contextlib.suppress(OSError, UserError):
                    (self._out / name).unlink(missing_ok=True)
            raise
        return record

    def extend(self, records: Iterable[Mapping]) -> None:
        """Adds records that have no files, at once.

        Raises:
          UserError: they cannot be written.
        """
        with explain_os_errors(self._out, _FULL):
            append_lines(self._lines, records)

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
            gone = self._folder
            if on_disk(gone):  # at once: nobody sees half of it
                gone = gone.rename(part_in(self._root))
            remove_folder(gone)
        return summary

    @contextlib.contextmanager
    def leaving_no_trace(self) -> Iterator[None]:
        """Removes the folder of the records if nothing was finished in it and it was to stay."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(UserError):
                if not self._all_lines({}):
                    remove_folder(self._folder)
            raise

    def _all_lines(self, like):
        """The records of every process."""
        paths = sorted(self._folder.glob(_LINES.format("*")))
        with concurrent.futures.ThreadPoolExecutor() as pool:  # in a store they are many
            every = pool.map(lambda path: read_json_lines(path, like), paths)
            return [record for records in every for record in records]

    def _summary(self, like):
        return read_json(self._out / SUMMARY, [{**like, "settings": {}}]) or []

    def _with_files(self, records):
        """Those records whose files are there; damaged ones are told of later."""
        files = [record.get("files", {}) for record in records]
        wanted = {name for names in files if isinstance(names, dict) for name in names}
        if on_disk(self._out):
            there = {name for name in wanted if (self._out / name).is_file()}
        else:  # all are listed in the time that asking for one takes
            found = self._out.files() if wanted else ()
            there = {str(file.relative_to(self._out)) for file in found}
        return [
            record
            for record, names in zip(records, files, strict=True)
            if not isinstance(names, dict) or there.issuperset(names)
        ]

    def _write(self, target, data):
        write_whole(target, data, self._root)


def versions_of(
    *networks: Any,
    strategies: Iterable[DominabilitySettings | None] = (),
    functions: Iterable[Callable] = (),
) -> dict[str, str]:
    """Versions of the code that results depend on, for their settings.

    Args:
      *networks: that made them: with a `module`.
      strategies: that they fused by; None for the static one.
      functions: others, such as metrics.

    Returns:
      Package -> version; see `ttd_jax.registry.versions`.
    """
    losses = [LOSS_MAPS[one.loss].difference for one in strategies if one is not None]
    return versions(*(type(one.module) for one in networks), *losses, *functions)


def check_covered(
    place: pathlib.Path, kind: str, held: Collection[str], given: Collection[str], mend: str
) -> None:
    """Refuses to replace tables of the whole by tables of a part.

    Args:
      place: where they are.
      kind: what they have rows of, in the plural.
      held: those rows.
      given: the rows that this run gives.
      mend: how to give more.

    Raises:
      UserError: it names the rows that would be lost.
    """
    lost = [name for name in dict.fromkeys(held) if name not in given]
    if lost:
        raise UserError(
            f"{place}: holds results of other {kind} ({some(lost)}): {mend}, or choose another "
            "--out"
        )


def check_images(
    place: pathlib.Path, found: Iterable[tuple], given: Mapping[str, Collection[str]]
) -> None:
    """`check_covered` for the images of data sets.

    Args:
      place: where the tables are.
      found: keys of `Records.find`, of whatever data sets.
      given: data set -> names of the images that this run gives.

    Raises:
      UserError: it names the images that would be lost.
    """
    held = sorted({f"{image} of {name}" for name, image, *_ in found if name in given})
    names = {f"{image} of {name}" for name, images in given.items() for image in images}
    check_covered(place, "images", held, names, "name all of them in the same command")


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
            f"{place}: holds results made with another {some(changed)}: choose another "
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
