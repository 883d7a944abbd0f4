"""Progress: on a terminal only, and from its first second on."""

import io
import time

import pytest

from ttd_jax.report import progress as module
from ttd_jax.report.progress import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def quick_clock(monkeypatch):
    monkeypatch.setattr(module, "_TICK", 0.05)


def _wait_for(terminal, text):
    deadline = time.monotonic() + 20
    while text not in terminal.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert text in terminal.getvalue()


def test_work_is_shown_before_any_of_it_is_done(quick_clock):
    terminal = Terminal()
    with progress(total=4, description="fusing", file=terminal) as bar:
        _wait_for(terminal, "0/4")
        bar.update()
    shown = terminal.getvalue()
    assert "fusing:  25%" in shown
    assert shown.endswith("\n")
    time.sleep(0.2)
    assert terminal.getvalue() == shown  # the clock stands still


def test_a_failure_ends_the_line(quick_clock):
    terminal = Terminal()

    def fail():
        with progress(range(3), "scoring", file=terminal) as bar:
            for _ in bar:
                _wait_for(terminal, "0/3")
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert terminal.getvalue().endswith("\n")


def test_what_is_quick_or_no_terminal_is_not_shown():
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        with progress(range(3), file=stream) as bar:
            list(bar)
        assert stream.getvalue() == ""
