"""Stopping a run between two steps, when it is told to by a signal."""

import contextlib
import signal

from ttd_jax.processes import greatest

NOT, TERMINATED, INTERRUPTED = range(3)


class Stop:
    """Remembers SIGTERM and Ctrl-C until the run asks.

    As a context it takes both signals over. A second Ctrl-C does not wait for the step to end.
    """

    def __init__(self):
        self._asked = NOT
        self._restore = contextlib.ExitStack()

    def __enter__(self) -> "Stop":
        for number, handler in (
            (signal.SIGTERM, self._terminate),
            (signal.SIGINT, self._interrupt),
        ):
            previous = signal.getsignal(number)
            if previous is not signal.SIG_IGN:  # a shell's background jobs ignore Ctrl-C
                self._restore.callback(signal.signal, number, signal.signal(number, handler))
        return self

    def __exit__(self, *_: object) -> None:
        self._restore.close()

    def agreed(self) -> int:
        """NOT, TERMINATED or INTERRUPTED, the same in every process: all must ask together."""
        return greatest(self._asked)

    def _terminate(self, *_):
        self._asked = max(self._asked, TERMINATED)

    def _interrupt(self, number, frame):
        if self._asked == INTERRUPTED:
            signal.default_int_handler(number, frame)
        self._asked = INTERRUPTED
