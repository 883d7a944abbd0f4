"""JSON and text in files, in UTF-8, written whole and read back after a kill."""

import contextlib
import json
import math
import os
import pathlib
import secrets
import sys
import time
import types
from collections.abc import Iterable, Mapping
from typing import Any

from ttd_jax.errors import UserError
from ttd_jax.places import on_disk

PARTS = ".ttd-jax-*.part"  # what killed processes may leave


def dumps(record: Any) -> str:
    """JSON as this project writes it: sorted, indented, one newline at the end."""
    return json.dumps(jsonable(record), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def jsonable(record: Any) -> Any:
    """The same with None for NaN and infinity, which JSON does not have.

    Example:
      >>> jsonable({"EN": [6.5, float("nan")]})
      {'EN': [6.5, None]}
    """
    if isinstance(record, dict):
        return {key: jsonable(value) for key, value in record.items()}
    if isinstance(record, (list, tuple)):
        return [jsonable(value) for value in record]
    return None if isinstance(record, float) and not math.isfinite(record) else record


def dump_lines(records: Iterable) -> str:
    """JSON lines, one for each record."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def encode(text: str) -> bytes:
    """Text in UTF-8, whatever the locale.

    A file's name that is no UTF-8 has lone surrogates in Python; they are written as escapes that
    JSON reads back.
    """
    return text.encode("utf-8", "backslashreplace")


def part_in(folder: pathlib.Path) -> pathlib.Path:
    """A path for what is being written: no other process, thread or host has the same."""
    return folder / PARTS.replace("*", secrets.token_hex(8))


def write_whole(
    path: pathlib.Path, content: str | bytes, folder: pathlib.Path | None = None
) -> None:
    """Writes a file whole or not at all, as an object store does by itself.

    Args:
      path: of the file; a place.
      content: of the file; see `encode` for text.
      folder: where a killed process may leave a part, in the same file system; that of `path` by
        default.

    Raises:
      OSError: it cannot be written; what was there stays.
    """
    data = encode(content) if isinstance(content, str) else content
    if not on_disk(path):
        path.write_bytes(data)
        return
    part = part_in(folder or path.parent)
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def append_lines(path: pathlib.Path, records: Iterable) -> None:
    """Adds records to a file of JSON lines.

    To objects nothing can be added: in a store they are one more object, whose name begins with
    that of the file, in the order of time.

    Raises:
      OSError: it cannot be written.
    """
    data = encode(dump_lines(records))
    if not on_disk(path):
        path = path.with_stem(f"{path.stem}-{time.time_ns():020}-{secrets.token_hex(4)}")
        path.write_bytes(data)
        return
    with path.open("ab") as lines:
        lines.write(data)


def read_json(
    path: pathlib.Path, like: Any = None, *, mend: str = "remove it and run again"
) -> Any:
    """The content of a file of JSON; None if there is no file.

    Args:
      path: of the file.
      like: what it must be like; see `fits`.
      mend: what the user can do about a damaged one.

    Raises:
      UserError: it cannot be read, or is damaged.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:  # which may be in order: it is closed to us
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: unreadable: {mend}") from error
    if not fits(content, like):
        raise UserError(f"{path}: damaged: {mend}")
    return content


def read_json_lines(path: pathlib.Path, like: Any = None) -> list:
    """The records of a file of JSON lines; none if there is no file.

    A killed process may leave a torn last line: what it was writing counts as not written.

    Args:
      path: of the file.
      like: what every record must be like; see `fits`.

    Raises:
      UserError: it cannot be read, or a whole line is damaged.
    """
    try:
        *whole, _ = path.read_bytes().split(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UserError(f"{path}: unreadable: {error.strerror}: remove it") from error
    records = []
    for number, line in enumerate(whole, 1):
        with contextlib.suppress(ValueError, RecursionError):
            record = json.loads(line)
            if fits(record, like):
                records.append(record)
                continue
        raise UserError(f"{path}: line {number} is damaged: remove that line and run again")
    return records


def fits(value: Any, like: Any) -> bool:
    """Whether what was read from JSON is like an example of it.

    Args:
      value: anything.
      like: None for anything; a type (an integer is a float, too), or `float | None` where a figure
        may have been no number; `(LIKE, LIKE)`, of one of them; `[LIKE]`, of all items;
        `{str: LIKE}`, of all values; or `{name: LIKE}`, of the fields that there must be.

    Example:
      >>> like = {"name": str, "scores": {str: float}}
      >>> fits({"name": "a", "scores": {"EN": 7}, "more": None}, like)
      True
      >>> fits({"name": "a", "scores": {"EN": "7"}}, like)
      False
    """
    if like is None:
        return True
    if isinstance(like, list):
        return isinstance(value, list) and all(fits(item, like[0]) for item in value)
    if isinstance(like, Mapping):
        if not isinstance(value, dict):
            return False
        if str in like:
            return all(fits(item, like[str]) for item in value.values())
        return all(name in value and fits(value[name], one) for name, one in like.items())
    if isinstance(like, (tuple, types.UnionType)):
        return any(fits(value, one) for one in getattr(like, "__args__", like))
    if like in (int, float):
        numbers = int if like is int else (int, float)
        plain = isinstance(value, numbers) and not isinstance(value, bool)
        # A whole number may be larger than any float.
        return plain and (isinstance(value, float) or abs(value) <= sys.float_info.max)
    return isinstance(value, like)
