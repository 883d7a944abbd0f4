"""Reading ahead of a device."""

import collections
import concurrent.futures
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")


def ahead(
    load: Callable[[Item], Loaded],
    items: Iterable[Item],
    count: int = 2,
    *,
    threads: int | None = None,
    fits: Callable[[Item], bool] = lambda item: True,
) -> Iterator[tuple[Item, Loaded]]:
    """Loads items in threads while the ones before them are worked on.

    Args:
      load: what to do with an item.
      items: in their order.
      count: how many are loaded or being loaded at a time beside the one that is worked on.
      threads: that load; `count` by default.
      fits: whether an item may be loaded ahead; if not, it is alone in memory.

    Yields:
      `(item, load(item))`, in the order of the items.

    Example:
      >>> list(ahead(abs, [-1, 2, -3]))
      [(-1, 1), (2, 2), (-3, 3)]
    """
    pool = concurrent.futures.ThreadPoolExecutor(threads or count)
    waiting = collections.deque()  # nothing else holds what was loaded
    try:
        for item in items:
            if fits(item):
                waiting.append(pool.submit(lambda item=item: (item, load(item))))
                if len(waiting) > count:
                    yield waiting.popleft().result()
                continue
            while waiting:
                yield waiting.popleft().result()
            yield item, load(item)
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
