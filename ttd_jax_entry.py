"""The command `ttd-jax`. Apart from the package, whose import takes a second and reads JAX's
environment variables: what goes wrong meanwhile is told in one line, too.
"""

import os
import signal
import sys


def main() -> None:
    """Console entry point."""
    tell_interrupts()
    try:
        from ttd_jax.main import entry
    except ValueError as error:  # what JAX says of its environment variables
        sys.exit(_complain(f"cannot begin: {error}: mend the environment variable"))
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    entry()


def tell_interrupts() -> None:
    """Until `main` has imported the package, Ctrl-C ends the process at once, in one line.

    An exception would abort it in some places of what is imported, and be passed over in others.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def _leave(*signaled):
    del signaled
    os._exit(_complain("interrupted: nothing was done: run the command again"))


def _complain(message):
    print(f"ttd-jax: {message}", file=sys.stderr, flush=True)
    return 2


if __name__ == "__main__":
    main()
