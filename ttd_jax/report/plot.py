"""Plots with Matplotlib, all in one style. Needs the extra `analysis`."""

import contextlib
import io
from collections.abc import Iterator, Sequence

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """The context in which figures are made and drawn, whatever a matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def as_png(figure: Figure) -> bytes:
    """A figure as a PNG file: the same bytes for the same figure."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, dpi=110, format="png", metadata={"Software": None})
    return buffer.getvalue()


def legend_below(figure: Figure, *arguments: Sequence, columns: int, title: str | None) -> None:
    """A legend below all panels.

    Args:
      figure: laid out by 'constrained'.
      *arguments: handles and labels; by default those of its panels.
      columns: of the legend.
      title: what its entries have in common.
    """
    figure.legend(
        *arguments,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        title=title,
        fontsize=8,
        title_fontsize=8,
    )
