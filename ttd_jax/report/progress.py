"""Progress on stderr."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def progress(
    iterable: Iterable | None = None,
    description: str | None = None,
    total: int | None = None,
    *,
    unit: str = "scene",
    **options: Any,
) -> tqdm:
    """A bar for what takes longer than a second; none where stderr is no terminal.

    Args:
      iterable: what is gone through; None for a bar that its `update` moves.
      description: what is done.
      total: how much there is, where the iterable does not tell.
      unit: of the total.
      **options: further ones of tqdm.
    """
    options = {"delay": 1, "disable": None, **options}
    return tqdm(iterable, description, total, unit=unit, **options)


def remark(line: str) -> None:
    """Tells of something that may not be meant, on stderr, in between bars."""
    tqdm.write(f"ttd-jax: remark: {line}", file=sys.stderr)
