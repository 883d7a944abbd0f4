"""Tables in LaTeX."""

import string
from collections.abc import Iterable, Sequence

PACKAGES = r"% needs \usepackage{booktabs,graphicx}"

_NARROW = 8  # columns that one of two columns of a page has room for
_TABLE = string.Template(
    r"""\begin{$environment}
\centering
\caption{$caption}
\label{$label}
% no wider than the page
\sbox0{\begin{tabular}{$columns}
\toprule
$head
\midrule
$rows
\bottomrule
\end{tabular}}
\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi
\end{$environment}"""
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
    caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, label: str
) -> str:
    """A table as the package booktabs sets it: the first column flush left, the others centered.

    A table of many columns takes both of a page's columns. What is wider still is made smaller.

    Args:
      caption: plain text.
      head: the names of the columns, in LaTeX.
      rows: a cell a column, in LaTeX.
      label: for `\\ref`.
    """
    return _TABLE.substitute(
        environment="table*" if len(head) > _NARROW else "table",
        caption=escape(caption),
        label=label,
        columns="l" + "c" * (len(head) - 1),
        head=_line(head),
        rows="\n".join(map(_line, rows)),
    )


def escape(text: str) -> str:
    r"""Plain text in LaTeX.

    Example:
      >>> print(escape("ifcnn_sum, 95 %"))
      ifcnn\_sum, 95 \%
    """
    return text.translate(str.maketrans(_SPECIAL))


def _line(cells):
    return " & ".join(cells) + r" \\"
