"""Tables as comma-separated values."""

import csv
import io
from collections.abc import Iterable


def csv_text(rows: Iterable[Iterable]) -> str:
    """The text of a CSV file; floats with all their digits."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
