"""Tables as comma-separated values."""

import csv
import io
from collections.abc import Iterable


def csv_text(rows: Iterable[Iterable]) -> str:
    """The text of a CSV file; floats with all their digits, names in one line."""
    buffer = io.StringIO()
    # a bare carriage return would end the row for some readers, and is quoted by no writer
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerows([_in_a_line(cell) for cell in row] for row in rows)
    return buffer.getvalue()


def _in_a_line(cell):
    return " ".join(cell.splitlines()) if isinstance(cell, str) else cell
