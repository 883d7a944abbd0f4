"""Signals in the runs of these tests."""

import signal

import pytest


@pytest.fixture
def heard():
    """SIGINT as a terminal's process hears it: a shell's background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module", autouse=True)
def _quickly(quick_compilation):
    """Programs here run a few times on few pixels."""
