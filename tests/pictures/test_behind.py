"""Writing behind a device."""

import threading

import pytest

from ttd_jax.pictures.behind import Behind


def test_all_is_done_in_order_and_elsewhere():
    done = []
    with Behind() as behind:
        for number in range(5):
            behind(lambda number: done.append((number, threading.get_ident())), number)
    assert [number for number, _ in done] == list(range(5))
    assert threading.get_ident() not in {thread for _, thread in done}


def test_no_more_waits_than_may():
    begun, go, waiting = [], threading.Event(), Behind(2)
    for number in range(2):
        waiting(lambda number: (begun.append(number), go.wait(10)), number)
    third = threading.Thread(target=waiting, args=(begun.append, 2))
    third.start()
    third.join(0.05)
    assert third.is_alive()
    go.set()
    third.join(10)
    with waiting:
        pass
    assert begun == [0, 1, 2]


def test_what_fails_is_told_and_the_rest_is_dropped():
    done = []

    def fail_first():
        with Behind(1) as behind:
            behind(lambda: 1 / 0)
            behind(done.append, 1)

    with pytest.raises(ZeroDivisionError):
        fail_first()
    assert not done
