"""Tables in a terminal."""

from collections.abc import Iterable
from typing import Any


def aligned(rows: Iterable[Iterable[Any]]) -> list[str]:
    """The rows as lines whose columns start at the same place.

    Args:
      rows: a cell a column; anything with a text.

    Example:
      >>> aligned([("name", "better"), ("EN", "up")])
      ['name  better', 'EN    up']
    """
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
