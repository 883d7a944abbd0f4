"""Tables in LaTeX."""

from collections.abc import Iterable, Sequence


def booktabs(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as the package booktabs sets it: the first column flush left, the others centered.

    Args:
      caption: plain text.
      head: the names of the columns, in LaTeX.
      rows: a cell a column, in LaTeX.
    """
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{escape(caption)}}}",
            rf"\begin{{tabular}}{{l{'c' * (len(head) - 1)}}}",
            r"\toprule",
            _line(head),
            r"\midrule",
            *map(_line, rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def escape(text: str) -> str:
    r"""Plain text in LaTeX.

    Example:
      >>> print(escape("ifcnn_sum, 95 %"))
      ifcnn\_sum, 95 \%
    """
    return text.translate({ord(character): f"\\{character}" for character in "_%&#$"})


def _line(cells):
    return " & ".join(cells) + r" \\"
