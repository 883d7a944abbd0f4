"""TIFF files whose pages are frames: listed once, read one by one."""

import contextlib
import mmap
import pathlib
from collections.abc import Callable, Iterator

import numpy as np

from ttd_jax.errors import UserError
from ttd_jax.pictures import tiff
from ttd_jax.pictures.images import read_bytes, stored_values
from ttd_jax.places import on_disk


@contextlib.contextmanager
def opened_pages(
    path: pathlib.Path,
) -> Iterator[tuple[int, Callable[[int], np.ndarray]]]:
    """How many pages a file has, and a function that reads one, from 0.

    It gives stored values [H, W, 1 or 3], upright. A file on a disk is mapped: only the pages that
    are read take memory.

    Raises:
      UserError: it cannot be read, or a page is damaged or of a kind that is not read.
    """
    with contextlib.ExitStack() as stack:
        if on_disk(path):
            file = stack.enter_context(path.open("rb"))
            data = stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        else:
            data = read_bytes(path)
        with _telling(path):
            count, read_page = stack.enter_context(tiff.open_tiff(data, str(path)))

        def read(page):
            with _telling(f"{path}, page {page + 1}"):
                return stored_values(read_page(page), path).bands

        yield count, read


@contextlib.contextmanager
def _telling(name):
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # whatever damage makes of it
        raise UserError(f"{name}: truncated or damaged: replace the file") from error
