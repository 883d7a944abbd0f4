"""Cutting a picture in windows: strips of rows that overlap by what a network sees around one."""

import bisect
import dataclasses


@dataclasses.dataclass(frozen=True)
class Window:
    """Rows that are computed together, and those among them whose results are right.

    Attributes:
      start: first row that is read; all windows of a picture have one height.
      first: first row of the results.
      last: the row after their last one.
      last_reader: number of the last window that reads any of its results.
    """

    start: int
    first: int
    last: int
    last_reader: int

    @property
    def results(self) -> slice:
        """Which rows of the picture the results are."""
        return slice(self.first, self.last)

    @property
    def kept(self) -> slice:
        """Where they are in the window."""
        return slice(self.first - self.start, self.last - self.start)


def fit(height: int, rows: int, align: int = 1) -> int:
    """The height of a picture's windows that is no more than asked for.

    Args:
      height: of the picture.
      rows: asked for.
      align: the height equals the picture's, or has the same remainder modulo this.

    Example:
      >>> fit(20, 30, 4), fit(40, 13, 4)
      (20, 12)
    """
    return height if rows >= height else rows - (rows - height) % align


def cut(height: int, rows: int, halo: int, align: int = 1) -> list[Window]:
    """Windows whose results cover a picture once, from the top.

    Where a window ends inside of the picture, `halo` rows there are read but not kept: the network
    pads them as if the picture ended. Windows begin and end with the picture at its own borders,
    so that padding acts there as it does in the whole picture.

    Args:
      height: of the picture.
      rows: that are read at once; see `fit`.
      halo: how far, in rows, a result depends on what is around it.
      align: windows begin at multiples of so many rows.

    Returns:
      Windows; a single one if it holds the picture.

    Raises:
      ValueError: they are too small to keep any row.

    Example:
      >>> [(w.start, w.first, w.last) for w in cut(20, 10, 2)]
      [(0, 0, 8), (6, 8, 14), (10, 14, 20)]
    """
    rows = fit(height, rows, align)
    if rows < min(height, 2 * halo + align):
        raise ValueError(f"a window of {rows} rows keeps none with a halo of {halo} rows")
    starts, ends = [], [0]
    while ends[-1] < height:
        start = min(max(ends[-1] - halo, 0) // align * align, height - rows)
        starts.append(start)
        ends.append(height if start + rows == height else start + rows - halo)
    return [
        Window(start, first, last, bisect.bisect_left(starts, last) - 1)
        for start, first, last in zip(starts, ends[:-1], ends[1:], strict=True)
    ]
