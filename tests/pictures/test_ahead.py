"""Reading ahead."""

import threading
import time

import pytest

from ttd_jax.pictures.ahead import ahead


def test_items_come_in_their_order_with_what_was_loaded():
    def load(item):
        time.sleep(0.01 * (item % 3))
        return item * item

    assert list(ahead(load, range(20), 4)) == [(i, i * i) for i in range(20)]
    assert list(ahead(load, [])) == []


def test_no_more_than_asked_for_is_loaded_ahead():
    started = []
    for index, (item, _) in enumerate(ahead(started.append, range(10), 3)):
        assert item == index
        time.sleep(0.005)
        assert len(started) <= index + 1 + 3
    assert sorted(started) == list(range(10))


def test_what_does_not_fit_is_loaded_alone():
    alive, most = set(), []

    def load(item):
        alive.add(item)
        most.append((item, set(alive)))
        return item

    for item, _ in ahead(load, [1, 2, 30, 4], 2, fits=lambda item: item < 10):
        alive.discard(item)
    assert dict(most)[30] == {30}


def test_mistakes_are_raised_where_the_item_is_due_and_threads_end():
    def load(item):
        if item == 2:
            raise ValueError("two")
        return item

    before = threading.active_count()
    seen = []
    with pytest.raises(ValueError, match="two"):
        seen.extend(item for item, _ in ahead(load, range(5)))
    for item, _ in ahead(load, [0, 1]):
        seen.append(item)
        break
    assert threading.active_count() == before
