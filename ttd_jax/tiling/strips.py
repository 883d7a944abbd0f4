"""Cutting a picture in horizontal strips that overlap by what a network sees around a pixel."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Strip:
    """Rows that are computed together, and those among them whose results are right.

    Attributes:
      start: first row of the window that is read; all windows of a picture have one height.
      first: first row of the results.
      last: the row after their last one.
    """

    start: int
    first: int
    last: int


def cut(height: int, window: int, halo: int) -> list[Strip]:
    """Strips whose results cover a picture once, from top to bottom.

    Where a window ends inside of the picture, `halo` rows there are read but not kept: the network
    pads them as if the picture ended. Windows begin and end with the picture at its own borders,
    so that padding acts there as it does in the whole picture.

    Args:
      height: of the picture.
      window: rows that are read at once; as many as the picture has, or more than twice the halo.
      halo: how far, in rows, a result depends on what is around it.

    Returns:
      Strips; a single one if the window holds the picture.

    Raises:
      ValueError: the window is too low to keep any row.

    Example:
      >>> [(s.start, s.first, s.last) for s in cut(20, 10, 2)]
      [(0, 0, 8), (6, 8, 14), (10, 14, 20)]
    """
    if window >= height:
        return [Strip(0, 0, height)]
    if window <= 2 * halo:
        raise ValueError(f"a window of {window} rows keeps none with a halo of {halo} rows")
    strips, first = [], 0
    while first < height:
        start = min(max(first - halo, 0), height - window)
        last = height if start + window == height else start + window - halo
        strips.append(Strip(start, first, last))
        first = last
    return strips
