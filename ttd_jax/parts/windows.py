"""Cutting a picture in windows that overlap by what a network sees around a pixel."""

import dataclasses
import itertools


@dataclasses.dataclass(frozen=True)
class Span:
    """Rows (or columns) that are computed together, and those among them whose results are right.

    Attributes:
      start: first row of the window that is read; all windows of a picture have one height.
      first: first row of the results.
      last: the row after their last one.
    """

    start: int
    first: int
    last: int

    @property
    def results(self) -> slice:
        """Where the results are in the picture."""
        return slice(self.first, self.last)

    @property
    def kept(self) -> slice:
        """Where they are in the window."""
        return slice(self.first - self.start, self.last - self.start)


@dataclasses.dataclass(frozen=True)
class Window:
    """A part of a picture that is computed at once.

    Attributes:
      rows: its rows.
      columns: its columns.
      last_reader: number of the last window that reads any of its results.
    """

    rows: Span
    columns: Span
    last_reader: int


def fit(size: tuple[int, int], window: tuple[int, int], align: int = 1) -> tuple[int, int]:
    """The shape of windows of a picture that are no larger than asked for.

    Args:
      size: (H, W) of the picture.
      window: rows and columns asked for.
      align: each side equals the picture's, or has the same remainder modulo this.

    Example:
      >>> fit((20, 40), (30, 13), 4)
      (20, 12)
    """
    return tuple(
        length if wanted >= length else wanted - (wanted - length) % align
        for length, wanted in zip(size, window, strict=True)
    )


def cut(size: tuple[int, int], window: tuple[int, int], halo: int, align: int = 1) -> list[Window]:
    """Windows whose results cover a picture once, row by row from the top left.

    Args:
      size: (H, W) of the picture.
      window: its rows and columns; see `fit`.
      halo: see `cut_axis`.
      align: see `cut_axis`.

    Raises:
      ValueError: see `cut_axis`.
    """
    window = fit(size, window, align)
    rows, columns = (cut_axis(*each, halo, align) for each in zip(size, window, strict=True))
    last_rows, last_columns = _last_readers(rows, window[0]), _last_readers(columns, window[1])
    return [
        Window(rows[i], columns[j], last_rows[i] * len(columns) + last_columns[j])
        for i, j in itertools.product(range(len(rows)), range(len(columns)))
    ]


def cut_axis(length: int, window: int, halo: int, align: int = 1) -> list[Span]:
    """Spans whose results cover a side of a picture once.

    Where a window ends inside of the picture, `halo` rows there are read but not kept: the network
    pads them as if the picture ended. Windows begin and end with the picture at its own borders,
    so that padding acts there as it does in the whole picture.

    Args:
      length: of the side.
      window: rows that are read at once; as many as the picture has, or so many more than twice
        the halo as `align` says, with the picture's remainder modulo `align`.
      halo: how far, in rows, a result depends on what is around it.
      align: windows begin at multiples of so many rows.

    Returns:
      Spans; a single one if the window holds the picture.

    Raises:
      ValueError: the window is too small to keep any row.

    Example:
      >>> [(s.start, s.first, s.last) for s in cut_axis(20, 10, 2)]
      [(0, 0, 8), (6, 8, 14), (10, 14, 20)]
    """
    if window >= length:
        return [Span(0, 0, length)]
    if window < 2 * halo + align:
        raise ValueError(f"a window of {window} pixels keeps none with a halo of {halo} pixels")
    spans, first = [], 0
    while first < length:
        start = min(max(first - halo, 0) // align * align, length - window)
        last = length if start + window == length else start + window - halo
        spans.append(Span(start, first, last))
        first = last
    return spans


def _last_readers(spans, window):
    """For each span the number of the last one whose window holds any of its results."""
    return [
        max(
            number
            for number, other in enumerate(spans)
            if other.start < span.last and span.first < other.start + window
        )
        for span in spans
    ]
