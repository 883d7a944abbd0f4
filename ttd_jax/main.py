"""The command line: finds the command and tells mistakes in one line; nothing else."""

import errno
import importlib
import os
import signal
import sys
from collections.abc import Sequence

from absl import app, flags, logging

from ttd_jax.errors import UserError
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
    app.run(main, flags_parser=_leave_flags_to_commands)


def main(argv: Sequence[str]) -> int:
    """Runs one command and returns its exit status: 0, or 2 after a user's mistake."""
    logging.set_verbosity(logging.ERROR)  # libraries' remarks are not the user's business
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # what a terminal cannot show
    # A polite kill ends like Ctrl-C: what is finished stays, nothing is left half-written.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = _run(argv[1:]) or 0
        if sys.stdout is not None:
            sys.stdout.flush()  # not at the interpreter's end, where nobody tells a failure
        return status
    except UserError as error:
        return _complain(str(error))
    except flags.Error as error:
        return _complain(f"{error}: see `ttd-jax {argv[1]} --help`")
    except KeyboardInterrupt:
        return _complain("interrupted: nothing half-written is left: run the command again")
    except BrokenPipeError:  # the reader of our output went away
        sys.stderr.close()
        return 2
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO) or error.filename is not None:
            raise
        # Of stdout, as everything else names its file. What it still holds must not be tried again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _complain(f"standard output cannot be written: {error.strerror}: free some space")


def _leave_flags_to_commands(argv):
    flags.FLAGS(argv[:1])  # absl wants its global flags parsed; commands have their own
    return argv


def _run(argv):
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
    arguments = values([name, *rest])[1:]
    return command.run(values, arguments)


def _overview():
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:<{width}}  {line}" for name, line in COMMANDS.items())
    return f"{USAGE}\n\ncommands:\n{rows}\n\n`ttd-jax COMMAND --help` shows a command's flags."


def _complain(message):
    print(f"ttd-jax: {' '.join(message.split())}", file=sys.stderr)
    return 2
