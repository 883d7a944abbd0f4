"""The command line: finds the command and tells mistakes in one line; nothing else."""

import _thread
import errno
import importlib
import logging as python_logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

from absl import flags, logging

from ttd_jax.errors import UserError, is_exhausted, printable
from ttd_jax.registry import unknown

# name -> one line; a command is the module of that name in `ttd_jax.commands`.
COMMANDS = {
    "fuse": "fuse pictures or folders of them, statically or with TTD",
    "demo": "fuse a few scenes and show them on contact sheets",
    "evaluate": "evaluate models on data sets, beside the published figures",
    "analyze": "run the paper's theory and discussion: ablations, probes, temperatures",
    "finetune": "train a model on pairs of pictures, from its weights or from nothing",
    "detect": "find objects in fused pictures and in their sources, and measure how well",
    "score": "score any method's saved pictures against their sources",
    "metrics": "list the metrics",
    "models": "list the fusion networks",
    "export": "write a network as one program that runs without this package",
    "benchmark": "time this package against a reference, side by side",
    "convert": "turn a PyTorch checkpoint into weights for this package",
    "weights": "list, fetch and verify the authors' weights",
    "datasets": "list, prepare and verify benchmarks",
    "doctor": "show what is installed and at hand, and test that it computes right",
}
USAGE = "usage: ttd-jax COMMAND [--flag=value ...] [ARGUMENT ...]"


def entry() -> None:
    """Console entry point."""
    _open_closed_streams()
    sys.unraisablehook = _tell_but_late_reads
    status = main(sys.argv)
    try:
        sys.stdout.flush()
    except OSError as error:
        # Or Python would try once more while it ends, and tell that in two lines.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if status == 0:
            gone = isinstance(error, BrokenPipeError)  # the reader of our output knows
            status = 2 if gone else _complain(_unwritable(error))
    sys.exit(status)


def main(argv: Sequence[str]) -> int:
    """Runs one command and returns its exit status: 0, or 2 after a user's mistake."""
    # Libraries' remarks are not the user's business; what is wrong, they raise as well.
    logging.set_verbosity(logging.FATAL)
    # Reads that orbax gave up on end with an error that nobody waits for.
    python_logging.getLogger("asyncio").setLevel(python_logging.CRITICAL)
    # Plots are of one style and on no screen: Matplotlib's settings do not matter, nor its remarks.
    python_logging.getLogger("matplotlib").setLevel(python_logging.CRITICAL)
    os.environ["MPLBACKEND"] = "agg"
    # What clients of stores tell of a request that failed is raised as well.
    for name in ("gcsfs", "google.auth"):
        python_logging.getLogger(name).setLevel(python_logging.CRITICAL)
    flags.FLAGS(["ttd-jax"])  # libraries ask whether they are parsed; commands have their own
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a locale may lack a character
    # A polite kill ends like Ctrl-C: what is finished stays, nothing is left half-written.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(argv[1:]) or 0
    except UserError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return _complain("interrupted: nothing half-written is left: run the command again")
    except BrokenPipeError:
        return 2
    except OSError as error:  # that nobody told better: a folder closed to us, an endless name
        if error.filename is not None:
            return _complain(f"{error.filename}: {error.strerror}")
        if error.errno not in (errno.ENOSPC, errno.EIO):
            raise
        return _complain(_unwritable(error))
    except (MemoryError, RuntimeError) as error:
        if not is_exhausted(error):
            raise
        return _complain("out of memory: choose smaller pictures, or fewer at once")


def _tell_but_late_reads(told):
    """As Python does, but for what tensorstore reads after orbax gave a damaged file up."""
    if told.exc_type is KeyboardInterrupt:  # in a callback, such as JAX's of garbage: once more
        threading.Timer(0.01, _thread.interrupt_main).start()
    elif str(told.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(told)


def _unwritable(error):
    """Of standard output: everything else names its file."""
    return f"standard output cannot be written: {error.strerror}: free some space"


def _open_closed_streams():
    """Opens the standard streams that are closed, or files would get their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the least number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def _run(argv):
    if argv[:1] == ["help"] and argv[1:]:
        argv = [argv[1], "--help"]
    if not argv or argv[0] in ("help", "-h", "--help", "-help"):
        print(_overview())
        return 0 if argv else 2
    name, *rest = argv
    if name == "--version":
        from ttd_jax.version import __version__

        print(f"ttd-jax {__version__}")
        return 0
    if name not in COMMANDS:
        raise unknown(name, COMMANDS, kind="command")
    command = importlib.import_module(f"ttd_jax.commands.{name}")
    values = flags.FlagValues()
    values.set_gnu_getopt(True)
    command.define_flags(values)
    if any(word in ("-h", "--help", "-help", "--helpfull") for word in rest):
        print(f"{command.__doc__.strip()}\n\nflags:\n{values.get_help()}")
        return 0
    from ttd_jax.commands import common

    common.leave_out_debugging()
    try:
        arguments = common.parse(values, [name, *rest])
    except flags.Error as error:
        raise UserError(f"{error}: see `ttd-jax {name} --help`") from error
    return command.run(values, arguments)


def _overview():
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:<{width}}  {line}" for name, line in COMMANDS.items())
    return f"{USAGE}\n\ncommands:\n{rows}\n\n`ttd-jax COMMAND --help` shows a command's flags."


def _complain(message):
    print(f"ttd-jax: {printable(' '.join(message.split()))}\n", end="", file=sys.stderr)
    return 2
