"""Tables in Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

from ttd_jax.errors import printable


def table(head: Sequence[Any], rows: Iterable[Iterable[Any]]) -> list[str]:
    """The lines of a table.

    Args:
      head: the names of the columns.
      rows: a cell a column; anything with a text.

    Example:
      >>> table(["model", "images"], [["ifcnn_sum", 21]])
      ['| model | images |', '| --- | --- |', '| ifcnn_sum | 21 |']
    """
    return [_line(head), _line(["---"] * len(head)), *map(_line, rows)]


def padded_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table whose source is easy to read, too: the first column flush left, the others right.

    Example:
      >>> print(*padded_table(["case", "s"], [["256x256", "0.12"]]), sep="\\n")
      | case    |    s |
      | ------- | ---: |
      | 256x256 | 0.12 |
    """
    first, *others = (max(map(len, column)) for column in zip(head, *rows, strict=True))

    def line(cells):
        pairs = zip(cells[1:], others, strict=True)
        return _line([cells[0].ljust(first), *(cell.rjust(width) for cell, width in pairs)])

    rule = _line(["-" * first, *("-" * (width - 1) + ":" for width in others)])
    return [line(head), rule, *map(line, rows)]


def _line(cells):
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(cell):
    """What would end the cell or the line is shown instead."""
    return printable(str(cell)).replace("|", r"\|")
