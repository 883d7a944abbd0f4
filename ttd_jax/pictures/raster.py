"""The samples of an image file as its codec gives them."""

import dataclasses

import numpy as np

from ttd_jax.errors import UserError
from ttd_jax.pictures.carried import Carried

# Orientation of EXIF and TIFF -> whether rows and columns are swapped, then what is mirrored.
_TURNS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


@dataclasses.dataclass(frozen=True)
class Raster:
    """Decoded samples.

    Attributes:
      bands: [H, W, S] as stored: gray, RGB, or any other number of bands.
      alpha: [H, W, 1] of the same type, not multiplied into the bands; or None.
      orientation: how the rows are stored, 1 to 8; see `ttd_jax.pictures.carried.orientation`.
      carried: what the file carries beside them.
      bits: significant bits of a sample, where the file tells fewer than its type has.
      luma: a JPEG's own Y u8[H, W, 1], where it was asked for.
      nodata: the value of samples that hold no data, where the file tells one.
    """

    bands: np.ndarray
    alpha: np.ndarray | None = None
    orientation: int = 1
    carried: Carried = dataclasses.field(default_factory=Carried)
    bits: int | None = None
    luma: np.ndarray | None = None
    nodata: float | None = None

    def upright(self) -> "Raster":
        """The same picture with its first row on top."""
        if self.orientation not in _TURNS or self.orientation == 1:
            return dataclasses.replace(self, orientation=1)
        planes = {name: getattr(self, name) for name in ("bands", "alpha", "luma")}
        turned = {n: _turn(a, self.orientation) for n, a in planes.items() if a is not None}
        # Its place on the earth was told of the rows as they were stored.
        carried = dataclasses.replace(self.carried, geo=())
        if _TURNS[self.orientation][0] and carried.dpi:
            carried = dataclasses.replace(carried, dpi=carried.dpi[::-1])
        return dataclasses.replace(self, orientation=1, carried=carried, **turned)


def _turn(array, orientation):
    swap, rows, columns = _TURNS[orientation]
    array = np.swapaxes(array, 0, 1) if swap else array
    return array[:: -1 if rows else 1, :: -1 if columns else 1]


def choose_page(name: str, count: int, page: int | None) -> int:
    """The page to read.

    Args:
      name: of the file, for messages.
      count: how many pages it has.
      page: which, from 0; None where there must be only one.

    Raises:
      UserError: several, and none was chosen; or there is none of that number.
    """
    if page is None and count > 1:
        raise UserError(
            f"{name}: holds {count} pictures: `ttd-jax fuse` takes --pages=first, --pages=N, "
            "--pages=each or --pages=sources; other commands take files of one picture"
        )
    if page is not None and page >= count:
        raise UserError(f"{name}: has no page {page + 1}, it holds {count}: pass another --pages")
    return page or 0
