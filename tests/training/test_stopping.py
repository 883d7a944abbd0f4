"""Signals during a run."""

import signal

import pytest

from ttd_jax.training import stopping


def test_a_signal_is_remembered_until_the_run_asks_and_ctrl_c_outranks_sigterm(heard):
    with stopping.Stop() as stop:
        assert stop.agreed() == stopping.NOT
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert stop.agreed() == stopping.INTERRUPTED
    with stopping.Stop() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.agreed() == stopping.TERMINATED


def test_a_second_ctrl_c_does_not_wait(heard):
    with stopping.Stop():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_an_ignored_signal_stays_ignored_and_handlers_come_back():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopping.Stop() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.agreed() == stopping.NOT
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
