"""JSON and text on disk, written whole and read back after a kill."""

import json
import os
import pathlib
from typing import Any


def dumps(record: Any) -> str:
    """JSON as this project writes it: sorted, indented, one newline at the end."""
    return json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_whole(path: pathlib.Path, content: str | bytes, part: pathlib.Path | None = None) -> None:
    """Writes a file whole or not at all; text in UTF-8.

    Args:
      path: of the file.
      content: of the file.
      part: what a killed process may leave, in the same file system; beside `path` by default.

    Raises:
      OSError: it cannot be written; what was there stays.
    """
    part = part or path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def read_json_lines(path: pathlib.Path) -> list:
    """The records of a file of JSON lines.

    A killed process may leave a torn last line: what it was writing counts as not written.

    Raises:
      OSError: it cannot be read.
    """
    *whole, _ = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in whole]
