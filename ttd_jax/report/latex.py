"""Tables in LaTeX."""

import string
from collections.abc import Iterable, Mapping, Sequence

from ttd_jax.errors import printable

PACKAGES = r"% needs \usepackage{booktabs,graphicx}"

_ABREAST = 7  # columns beside the first that a page has room for
_TABLE = string.Template(
    r"""\begin{table}
\centering
\caption{$caption}
\label{$label}
% no wider than a column of the page
\sbox0{\begin{tabular}{$columns}
\toprule
$blocks
\bottomrule
\end{tabular}}
\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi
\end{table}"""
)
_SPECIAL = {
    **{character: f"\\{character}" for character in "_%&#${}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def booktabs(
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    label: str,
    groups: Mapping[str, int] | None = None,
) -> str:
    """A table as the package booktabs sets it: the first column flush left, the others centered.

    Of many columns those that do not fit beside the others come below them. What is wider still,
    as for one of two columns of a page, is made smaller.

    Args:
      caption: plain text.
      head: the names of the columns, in LaTeX.
      rows: a cell a column, in LaTeX.
      label: for `\\ref`.
      groups: heading -> how many of the columns beside the first it is of, in their order; those of
        a group stay together. By default one without a heading.
    """
    lines, blocks, start = [head, *rows], [], 1
    for heading, number in (groups or {"": len(head) - 1}).items():
        width = -(-number // -(-number // _ABREAST))  # blocks as wide as each other
        for first in range(start, start + number, width):
            last = min(first + width, start + number)
            above = heading if first == start else ""
            blocks.append((above, [[line[0], *line[first:last]] for line in lines]))
        start += number
    width = max(len(lines[0]) for _, lines in blocks)
    return _TABLE.substitute(
        caption=escape(caption),
        label=label,
        columns="l" + "c" * (width - 1),
        blocks="\n\\midrule\n".join(_block(heading, lines, width) for heading, lines in blocks),
    )


def _block(heading, lines, width):
    head, *rows = (" & ".join([*line, *[""] * (width - len(line))]) + r" \\" for line in lines)
    above = [rf"\multicolumn{{{width}}}{{l}}{{\emph{{{escape(heading)}}}}} \\"] if heading else []
    return "\n".join([*above, head, r"\midrule", *rows])


def escape(text: str) -> str:
    r"""Plain text in LaTeX; control characters are shown.

    Example:
      >>> print(escape("ifcnn_sum, 95 %"))
      ifcnn\_sum, 95 \%
    """
    return printable(text).translate(str.maketrans(_SPECIAL))
