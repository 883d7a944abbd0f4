"""Tables as comma-separated values."""

import csv
import io
import math
from collections.abc import Iterable

from ttd_jax.errors import printable

_FORMULAS = ("=", "+", "-", "@")


def csv_text(rows: Iterable[Iterable]) -> str:
    """The text of a CSV file; floats with all their digits, nothing for what is no number.

    A text that spreadsheets would take for a formula gets an apostrophe before it, and control
    characters are shown.

    Example:
      >>> csv_text([("image", "EN"), ("=1+1", 4.5)])
      "image,EN\\n'=1+1,4.5\\n"
    """
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(map(_harmless, row) for row in rows)
    return buffer.getvalue()


def _harmless(cell):
    if not isinstance(cell, str):
        return "" if isinstance(cell, float) and math.isnan(cell) else cell
    text = printable(cell)
    return f"'{text}" if text.startswith(_FORMULAS) else text
