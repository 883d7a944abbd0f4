"""Buckets: few sizes of arrays for pictures of many sizes, which then share their programs."""

import itertools
from collections.abc import Mapping

_STEP = 16  # sides are multiples of it
_MOST = 8  # programs of one kind
_PROGRAM = 2**20  # pixels that take about as long to fuse and to score as a program to compile


def choose_buckets(sizes: Mapping[tuple[int, int], int]) -> dict[tuple[int, int], tuple[int, int]]:
    """For each size that of the arrays that shall hold its pictures.

    Those two buckets are joined that this adds fewest pixels to, as long as a program more would
    take longer than these pixels, or there are too many.

    Args:
      sizes: (H, W) -> how many pictures have it.

    Example:
      >>> choose_buckets({(120, 100): 3, (64, 65): 1, (1024, 2048): 2})
      {(120, 100): (128, 112), (64, 65): (128, 112), (1024, 2048): (1024, 2048)}
    """
    members = {}
    for size in sorted(sizes):
        members.setdefault(tuple(-(-side // _STEP) * _STEP for side in size), []).append(size)

    def added(pair):
        return sum(
            (_pixels(_joined(*pair)) - _pixels(one)) * sum(sizes[size] for size in members[one])
            for one in pair
        )

    while len(members) > 1:
        pair = min(itertools.combinations(members, 2), key=added)
        if len(members) <= _MOST and added(pair) >= _PROGRAM:
            break
        joined = [size for one in pair for size in members.pop(one)]
        members.setdefault(_joined(*pair), []).extend(joined)
    found = {size: bucket for bucket, held in members.items() for size in held}
    return {size: found[size] for size in sizes}


def _joined(first, second):
    return tuple(map(max, first, second))


def _pixels(size):
    return size[0] * size[1]
