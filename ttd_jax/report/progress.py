"""Progress on stderr."""

import sys
import threading
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from ttd_jax.errors import printable

_TICK = 1.0  # seconds


class _Bar(tqdm):
    """A bar whose clock goes on: until the first scene is done, a minute of compiling may pass."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._closed = threading.Event()
        self._clock = None
        if not self.disable:
            self._clock = threading.Thread(target=self._tick, daemon=True)
            self._clock.start()

    def _tick(self):
        while not self._closed.wait(_TICK):
            self.delay = 0  # it has been shown: `close` ends its line
            self.refresh()

    def close(self):
        """Ends the line of the bar."""
        if getattr(self, "_clock", None) is not None:
            self._closed.set()
            self._clock.join()
        super().close()


def progress(
    iterable: Iterable | None = None,
    description: str | None = None,
    total: int | None = None,
    *,
    unit: str = "scene",
    **options: Any,
) -> tqdm:
    """A bar for what takes longer than a second; none where stderr is no terminal.

    To be used with `with`, which ends its line whatever happens.

    Args:
      iterable: what is gone through; None for a bar that its `update` moves.
      description: what is done.
      total: how much there is, where the iterable does not tell.
      unit: of the total.
      **options: further ones of tqdm.
    """
    options = {"delay": _TICK, "disable": None, **options}
    return _Bar(iterable, description, total, unit=unit, **options)


def remark(line: str) -> None:
    """Tells of something that may not be meant, on stderr, in between bars."""
    tqdm.write(f"ttd-jax: remark: {printable(line)}", file=sys.stderr)
