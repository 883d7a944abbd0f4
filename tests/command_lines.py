"""Running `ttd-jax` in the tests: in this process, which spares seconds of imports, or in another.

In another where a process is the point: kills, limits, closed pipes, what is imported, and
environment variables that JAX or Python read at their start.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings

import jax
from absl import logging

from ttd_jax.main import main


def run_process(*words, env=None, prefix=(), cwd=None) -> subprocess.CompletedProcess:
    """Runs the command in a process of its own.

    Args:
      *words: of the command.
      env: environment variables beside those of this process.
      prefix: words before the interpreter, such as a shell that limits it.
      cwd: the folder to run in.
    """
    return subprocess.run(
        [*prefix, sys.executable, "-m", "ttd_jax", *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        timeout=300,
        check=False,
    )


def run_here(*words, env=None) -> subprocess.CompletedProcess:
    """Runs the command in this process, which is afterwards as it was before.

    Args:
      *words: of the command.
      env: environment variables that the command itself reads, beside those of this process.
    """
    words = ["ttd-jax", *map(str, words)]
    with _as_before(), _environment(env or {}), _captured() as read, _pythons_warnings():
        try:
            status = main(words)
        except SystemExit as error:
            status = error.code
        except Exception:  # what a process does with one
            traceback.print_exc()
            status = 1
        stdout, stderr = read()
    return subprocess.CompletedProcess(words, status or 0, stdout, stderr)


@contextlib.contextmanager
def _as_before():
    """Restores what a command sets for its whole process."""
    config, verbosity = dict(jax.config.values), logging.get_verbosity()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        logging.set_verbosity(verbosity)
        for name, value in config.items():
            if jax.config.values[name] != value:
                jax.config.update(name, value)


@contextlib.contextmanager
def _environment(changes):
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _pythons_warnings():
    """Warnings are told and hidden as Python does it by itself; the tests make errors of them."""
    with warnings.catch_warnings():
        warnings.resetwarnings()
        for hidden in (
            DeprecationWarning,
            PendingDeprecationWarning,
            ImportWarning,
            ResourceWarning,
        ):
            warnings.simplefilter("ignore", hidden)
        warnings.showwarning = lambda *told: sys.stderr.write(warnings.formatwarning(*told[:4]))
        yield


@contextlib.contextmanager
def _captured():
    """Captures both streams, what C++ writes included; gives a function that reads them."""
    with contextlib.ExitStack() as stack:
        files = []
        for name in ("stdout", "stderr"):
            number = {"stdout": 1, "stderr": 2}[name]
            file = stack.enter_context(tempfile.TemporaryFile())
            kept = os.dup(number)
            stack.callback(os.close, kept)
            os.dup2(file.fileno(), number)
            stack.callback(os.dup2, kept, number)
            stream = stack.enter_context(open(number, "w", encoding="utf-8", closefd=False))
            stack.callback(setattr, sys, name, getattr(sys, name))
            setattr(sys, name, stream)
            files.append((file, stream))

        def read():
            for file, stream in files:
                stream.flush()
                file.seek(0)
            return [file.read().decode() for file, _ in files]

        yield read
