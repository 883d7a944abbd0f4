"""Commands in processes that cost no imports, and that can be killed at any of their writes.

A server imports everything once and forks for every command. In the test's process is `ForkServer`.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile


@dataclasses.dataclass(frozen=True)
class Ended:
    """A process that has ended: its exit status, what it printed, and how often it wrote."""

    status: int
    stdout: str
    stderr: str
    writes: int

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL


class ForkServer(contextlib.AbstractContextManager):
    """Starts commands of `ttd-jax`; a context that ends the server."""

    def __init__(self):
        self._server = subprocess.Popen(
            [sys.executable, "-P", __file__, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._folder = tempfile.TemporaryDirectory(prefix="ttd_jax-fork-")

    def __exit__(self, *_):
        self._server.communicate()
        self._folder.cleanup()

    def start(self, *words, within: pathlib.Path, die_at: int = 0):
        """Starts a command; gives a function that waits for its end and returns `Ended`.

        Args:
          *words: of the command.
          within: the folder whose writes count.
          die_at: the process kills itself before the write of this number; 0 for never.
        """
        place = tempfile.mkdtemp(dir=self._folder.name)
        words = ["ttd-jax", *map(str, words)]
        pid = self._ask({"words": words, "place": place, "within": str(within), "die_at": die_at})

        def wait():
            status = self._ask({"wait": pid})
            texts = [pathlib.Path(place, name).read_text() for name in ("1", "2", "writes")]
            return Ended(status, *texts[:2], int(texts[2] or 0))

        return wait

    def run(self, *words, **options) -> Ended:
        """Runs a command to its end; see `start`."""
        return self.start(*words, **options)()

    def _ask(self, request):
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())


# The server ---------------------------------------------------------------------------------------

_WRITES = {"os.rename": 1, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0, "os.truncate": 0}


def _serve():
    from ttd_jax import main

    for name in ("evaluation.evaluate", "evaluation.score", "training.finetune", "commands.fuse"):
        __import__(f"ttd_jax.{name}")
    with contextlib.suppress(ImportError):
        import orbax.checkpoint
        import tensorboardX  # noqa: F401
        import tensorflow_datasets  # noqa: F401

        import ttd_jax.detection.evaluation  # noqa: F401

        assert orbax.checkpoint
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        elif not (answer := os.fork()):
            _run(main, **request)
        print(json.dumps(answer), flush=True)


def _run(main, words, place, within, die_at):
    """The child: runs a command and ends."""
    for number in (1, 2):
        os.dup2(os.open(f"{place}/{number}", os.O_WRONLY | os.O_CREAT), number)
    counter = os.open(f"{place}/writes", os.O_WRONLY | os.O_CREAT)
    count = 0

    def watch(event, arguments):
        nonlocal count
        if event == "open":
            path, writes = arguments[0], (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
        elif event in _WRITES:
            path, writes = arguments[_WRITES[event]], True
        else:
            return
        if writes and isinstance(path, str | pathlib.PurePath) and str(path).startswith(within):
            count += 1
            os.pwrite(counter, b"%d" % count, 0)
            if count == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    sys.argv, status = words, 1
    try:
        status = main.main(words)
    except SystemExit as error:
        status = error.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)


if __name__ == "__main__":
    sys.path[:] = sys.argv[1:]
    _serve()
