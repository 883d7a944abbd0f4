"""Where the shared weights, pictures and golden arrays are, and what tests have in common."""

import contextlib
import ctypes
import functools
import gc
import os
import pathlib
import sys
import tempfile

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
MEMORY = 3 << 29  # bytes


def pytest_configure(config):
    """The workers of a run and the commands they start compile each program once."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # a worker has its parent's
        place = tempfile.TemporaryDirectory(prefix="ttd_jax-xla-")
        config.add_cleanup(place.cleanup)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = place.name
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"


@pytest.fixture(scope="module", autouse=True)
def _bounded_memory():
    """A worker drops its compiled programs once they take much: the next file has others."""
    yield
    jax = sys.modules.get("jax")
    if jax is not None and _resident_bytes() > MEMORY:
        jax.clear_caches()
        gc.collect()
        with contextlib.suppress(AttributeError):  # glibc alone keeps what was freed
            ctypes.CDLL(None).malloc_trim(0)


def _resident_bytes():
    try:
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # not Linux
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(scope="session")
def shared() -> pathlib.Path:
    """The folder of pretrained weights, real images and golden arrays; skips without it."""
    root = pathlib.Path(os.environ.get("TTD_JAX_SHARED", REPOSITORY.parent / "shared"))
    if not (root / "golden").is_dir():
        reason = f"no shared weights and data at {root} (set TTD_JAX_SHARED)"
        if os.environ.get("TTD_JAX_REQUIRE_SHARED"):
            pytest.fail(reason)
        pytest.skip(reason)
    return root


@pytest.fixture(scope="module")
def quick_compilation():
    """For what runs a few times, on few pixels; see `tests.compilation`."""
    from tests.compilation import optimizations

    with optimizations(on=False):
        yield


@pytest.fixture
def thorough_compilation(quick_compilation):
    """In a file of the above, for a test of many pixels."""
    from tests.compilation import optimizations

    with optimizations(on=True):
        yield


@pytest.fixture(scope="session", autouse=True)
def _shapes_once():
    """Shapes of variables are found out once a process: that traces a whole network."""
    from ttd_jax.networks import NetworkSpec

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NetworkSpec, "shapes", functools.cache(NetworkSpec.shapes))
        yield


@pytest.fixture(scope="session")
def torch():
    """PyTorch, which reads the authors' checkpoints; skips without it."""
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def one_torch_thread(torch):
    """Two pools of threads on few cores would wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def command_line():
    """`command_line(*words)` runs `ttd-jax` in this process; returns what it printed.

    With `process=True` in one of its own: see `tests.command_lines`.
    """

    from tests.command_lines import run_here, run_process

    def run(*words, process=False, **options):
        return (run_process if process else run_here)(*words, **options)

    return run


@pytest.fixture(scope="session")
def refused(command_line):
    """`refused(*words, named=...)`: the command ends as after a user's mistake.

    One line on stderr that holds every word of `named`, nothing on stdout, exit status 2.
    Returns the line.
    """

    def check(*words, named=(), **options):
        result = command_line(*words, **options)
        assert result.returncode == 2, (result.stdout, result.stderr)
        assert result.stdout == ""
        lines = result.stderr.splitlines()
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("ttd-jax: ")
        for word in named:
            assert str(word) in lines[0]
        return lines[0]

    return check


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory) -> pathlib.Path:
    """A model directory of IFCNN-SUM's shape with random weights."""
    from tests.random_models import random_model
    from ttd_jax.weights.store import save

    model = random_model("ifcnn_sum")
    path = tmp_path_factory.mktemp("weights") / "ifcnn_sum"
    save(path, model, source={"sha256": None, "license": "random"})
    return path


@pytest.fixture(scope="session")
def real_weights(torch, shared, command_line, tmp_path_factory) -> pathlib.Path:
    """The authors' IFCNN-SUM, converted."""
    out = tmp_path_factory.mktemp("real") / "ifcnn_sum"
    checkpoint = shared / "weights" / "ifcnn" / "IFCNN-SUM.pth"
    words = ["--model=ifcnn_sum", f"--checkpoint={checkpoint}", f"--out={out}"]
    result = command_line("convert", *words)
    assert result.returncode == 0, result.stderr
    return out
