"""Writing behind a device."""

import collections
import concurrent.futures
from collections.abc import Callable
from typing import Any


class Behind:
    """Does things in one thread, in their order, while others are computed; a context manager.

    Left without an error, all is done; left by an exception, what has not begun is dropped.

    Example:
      >>> done = []
      >>> with Behind() as behind:
      ...     for number in range(3):
      ...         behind(done.append, number)
      >>> done
      [0, 1, 2]
    """

    def __init__(self, count: int = 2):
        """Of so many things at most the arguments are held."""
        self._count = count
        self._waiting = collections.deque()
        self._pool = concurrent.futures.ThreadPoolExecutor(1)

    def __call__(self, function: Callable, *arguments: Any) -> None:
        """Does one thing later; raises what one before it has raised."""
        while len(self._waiting) >= self._count:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(function, *arguments))

    def __enter__(self) -> "Behind":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        try:
            while self._waiting and kind is None:
                self._waiting.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)
