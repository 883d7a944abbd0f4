"""Buckets: few arrays for pictures of many sizes."""

import collections

import numpy as np
import pytest

from ttd_jax.pictures.buckets import choose_buckets


def padded(sizes, buckets):
    """By what share arrays have more pixels than their pictures, and how many shapes there are."""
    area = sum(height * width for height, width in sizes)
    arrays = sum(np.prod(buckets[size]) for size in sizes)
    return arrays / area - 1, len(set(buckets.values()))


# As the authors' files are: crops of a camera's 512x640 pixels; photographs of three formats.
BENCHMARKS = {
    "RoadScene": ((250, 370), (480, 565), 221),
    "wider": ((220, 440), (400, 600), 221),
    "MEFB": ((337, 345), (505, 520), 60),
}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmarks_take_few_programs_and_little_more_work(name):
    rows, columns, count = BENCHMARKS[name]
    rng = np.random.default_rng(0)
    drawn = (rng.integers(*span, count).tolist() for span in (rows, columns))
    sizes = list(zip(*drawn, strict=True))
    if name == "MEFB":
        sizes += [(1024, 669), (338, 231), (800, 1200), (708, 1064), (513, 770)] * 8
    share, programs = padded(sizes, choose_buckets(collections.Counter(sizes)))
    assert programs <= 8
    assert share <= 0.25


def test_every_picture_has_room():
    rng = np.random.default_rng(1)
    sizes = [tuple(map(int, rng.integers(1, 2000, 2))) for _ in range(60)]
    buckets = choose_buckets(collections.Counter(sizes))
    assert list(buckets) != []
    for size in sizes:
        assert all(side <= room for side, room in zip(size, buckets[size], strict=True))
    assert len(set(buckets.values())) <= 8


def test_the_order_of_scenes_does_not_matter():
    sizes = [(301, 496), (351, 505), (1024, 669), (341, 552), (265, 546)]
    assert choose_buckets(dict.fromkeys(sizes, 3)) == choose_buckets(dict.fromkeys(sizes[::-1], 3))
