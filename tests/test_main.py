"""What surrounds the commands: streams, devices, home folders, JAX's environment, Ctrl-C, paths."""

import builtins
import os
import pwd
import signal
import subprocess
import sys
import time

import jax
import pytest

import ttd_jax_entry
from tests.commands.conftest import draw, free_port
from ttd_jax import main, processes
from ttd_jax.commands import models
from ttd_jax.errors import UserError, printable


@pytest.fixture
def pair(tmp_path):
    """Words of a fuse command with the shipped weights, on drawn pictures."""
    pictures = [draw(tmp_path / f"{name}.png", channels=3, seed=ord(name)) for name in "ab"]
    return ("fuse", "--weights=shipped/ifcnn_sum", f"--out={tmp_path / 'out'}", *pictures)


# Streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_with_a_closed_stream_the_work_is_done(command_line, pair, tmp_path, closed):
    result = command_line(*pair, process=True, prefix=("sh", "-c", f'exec "$@" {closed}', "sh"))
    assert result.returncode == 0
    assert (result.stdout, result.stderr) == ("", "")
    assert (tmp_path / "out" / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_locale_without_a_character_shows_its_number(command_line):
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    result = command_line("metrics", env=environment, process=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_control_characters_are_shown_and_not_obeyed(refused, tmp_path):
    name = f"{tmp_path}/\x1b[31m\x1b]0;title\x07\x9b\udcff"
    line = refused("fuse", "--weights=w", "--out=out", name, name)
    assert printable(name) in line
    assert line.isprintable()
    line = refused("weights", "verify", "a\rb\nc")
    assert line.isprintable()


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (MemoryError(), "out of memory"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes"), "out of memory"),
        (PermissionError(13, "Permission denied", "a/\x1bb"), r"a/\x1bb: Permission denied"),
        (OSError(28, "No space left on device"), "standard output cannot be written"),
    ],
)
def test_what_no_command_tells_is_told_at_the_edge(refused, monkeypatch, error, named):
    def fail(*_):
        raise error

    monkeypatch.setattr(models, "run", fail)
    refused("models", named=[named])


def test_a_fault_of_this_package_keeps_its_traceback(command_line, monkeypatch):
    def fail(*_):
        raise RuntimeError("never")

    monkeypatch.setattr(models, "run", fail)
    result = command_line("models")
    assert result.returncode == 1
    assert result.stderr.endswith("RuntimeError: never\n")


# Devices and JAX's environment ----------------------------------------------------------------

COMPUTING = {
    "fuse": ("--weights=shipped/ifcnn_sum", "--out=out", "a.png", "b.png"),
    "score": ("--fused=.", "--sources=.", "--out=out"),
    "export": ("--weights=shipped/ifcnn_sum", "--out=out.stablehlo"),
    "demo": (),
    "weights verify": ("shipped/ifcnn_sum",),
    "evaluate": ("--out=out",),
    "analyze": ("--out=out",),
    "finetune": ("--workdir=out",),
    "detect eval": ("--out=out",),
    "detect train": ("--workdir=out",),
    "benchmark": (),
}


@pytest.fixture
def asking():
    """`asking(setting, value)` sets one of JAX's for the test."""
    before = {}

    def update(name, value):
        before[name] = jax.config.values[name]
        jax.config.update(name, value)

    yield update
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.mark.parametrize("command", COMPUTING)
def test_a_missing_device_is_no_damage_of_files(
    command_line, asking, monkeypatch, tmp_path, pair, command
):
    def devices():
        raise AssertionError  # what JAX says where JAX_PLATFORMS=cuda finds no GPU

    monkeypatch.setattr(jax, "devices", devices)
    asking("jax_platforms", "cuda")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    result = command_line(*command.split(), *COMPUTING[command])
    assert result.returncode == 2
    assert result.stderr == (
        "ttd-jax: JAX finds no device: its driver, or JAX's plug-in, is not here: unset "
        "JAX_PLATFORMS=cuda, or mend the driver\n"
    )
    assert sorted(tmp_path.iterdir()) == before


def test_the_device_that_is_asked_for_is_told(asking, monkeypatch):
    def devices():
        raise RuntimeError("Unknown backend:\n 'gpu'")

    monkeypatch.setattr(jax, "devices", devices)
    asking("jax_platform_name", "gpu")
    with pytest.raises(UserError, match="Unknown backend: 'gpu': unset JAX_PLATFORM_NAME=gpu"):
        processes.find_devices()


def test_help_for_finding_faults_in_one_s_own_code_is_left_out(command_line, pair, tmp_path):
    environment = {
        "JAX_DISABLE_JIT": "1",
        "JAX_NUMPY_RANK_PROMOTION": "raise",
        "JAX_TRANSFER_GUARD": "disallow",
    }
    result = command_line(*pair, env=environment, process=True)
    assert (result.returncode, result.stderr.count("\n")) == (0, 1), result.stderr


def test_what_is_of_float32_stays_so_where_jax_would_take_more(command_line, asking, tmp_path):
    asking("jax_enable_x64", True)
    words = ("--weights=shipped/ifcnn_sum", "--platforms=cpu", f"--out={tmp_path / 'x.stablehlo'}")
    result = command_line("export", *words)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("variable", "word", "named"),
    [
        ("JAX_NUM_PROCESSES", "abc", "JAX_NUM_PROCESSES: flag --processes=abc"),
        ("JAX_NUM_PROCESSES", "0", "JAX_NUM_PROCESSES: flag --processes=0"),
        ("JAX_PROCESS_ID", "-1", "JAX_PROCESS_ID: flag --process=-1"),
        ("JAX_PROCESS_ID", "", "JAX finds no device"),  # as if it were not set
    ],
)
def test_a_number_of_processes_that_is_none_is_one_line(
    refused, command_line, monkeypatch, tmp_path, variable, word, named
):
    def devices():
        raise AssertionError

    monkeypatch.setattr(jax, "devices", devices)
    monkeypatch.setenv(variable, word)
    assert command_line("evaluate", "--help").returncode == 0
    refused("evaluate", f"--out={tmp_path / 'out'}", named=[named])


@pytest.mark.parametrize("place", ["foo", "foo:", ":1234", "foo:http", "foo:0", "foo:65536"])
def test_a_coordinator_without_a_port_is_one_line(refused, tmp_path, place):
    words = (f"--out={tmp_path / 'out'}", "--processes=2", f"--coordinator={place}")
    refused("evaluate", *words, named=[f"--coordinator={place}: write HOST:PORT"])


@pytest.mark.parametrize("process", [0, 1])
def test_processes_that_do_not_meet_are_one_line(tmp_path, process):
    code = (
        "import sys; from ttd_jax.commands import meeting; from ttd_jax.main import main; "
        "meeting._PATIENCE = 1; main(sys.argv)"
    )
    place = f"--coordinator=localhost:{free_port()}"
    words = (f"--out={tmp_path / 'out'}", "--processes=2", f"--process={process}", place)
    result = subprocess.run(
        [sys.executable, "-c", code, "evaluate", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.startswith(f"ttd-jax: {place}: the processes have not met in 1 s")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_setting_that_jax_cannot_read_is_one_line(monkeypatch, capsys):
    def unreadable(name, *rest):
        raise ValueError("invalid truth value 'maybe' for environment 'JAX_ENABLE_X64'")

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.delitem(sys.modules, "ttd_jax.main")
    monkeypatch.setattr(builtins, "__import__", unreadable)
    with pytest.raises(SystemExit) as ended:
        ttd_jax_entry.main()
    monkeypatch.undo()
    signal.signal(signal.SIGINT, before)
    assert ended.value.code == 2
    assert "invalid truth value 'maybe'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [("-m", "ttd_jax"), ("-c", "import ttd_jax_entry as e; e.main()")]
)
def test_ctrl_c_while_libraries_are_imported_is_one_line(tmp_path, words):
    # It comes where an exception would be passed over, as in a callback.
    (tmp_path / "jax.py").write_text(
        "import signal\ntry: signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt: pass\n"
    )
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    result = subprocess.run(
        ["env", "--default-signal=INT", sys.executable, *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert (result.returncode, result.stderr) == (
        2,
        "ttd-jax: interrupted: nothing was done: run the command again\n",
    )


@pytest.fixture
def _minds_ctrl_c():
    """Also in a shell's background, whose processes ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_minds_ctrl_c")
def test_ctrl_c_in_a_callback_that_cannot_raise_comes_once_more(monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)  # which `entry` sets
    monkeypatch.setattr(main, "main", _wait_and_lose_ctrl_c)
    with pytest.raises(SystemExit) as ended:
        main.entry()
    assert ended.value.code == "interrupted"


class _LosesCtrlC:
    def __del__(self):
        raise KeyboardInterrupt


def _wait_and_lose_ctrl_c(argv):
    try:
        _LosesCtrlC()
        time.sleep(5)
    except KeyboardInterrupt:
        return "interrupted"


@pytest.mark.parametrize(
    ("content", "named"), [(b"\x89PNG", "no text"), (b"--flagfile=flags", "name itself")]
)
def test_a_file_of_flags_that_cannot_be_is_one_line(refused, monkeypatch, tmp_path, content, named):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flags").write_bytes(content)
    refused("metrics", "--flagfile=flags", named=["--flagfile", named])


def test_a_file_of_flags_may_name_the_config(refused, tmp_path):
    (tmp_path / "flags").write_text("--config=none.py\n--out=out\n")
    refused("evaluate", f"--flagfile={tmp_path / 'flags'}", named=["none.py", "no such config"])


# Homes and caches -----------------------------------------------------------------------------


@pytest.fixture
def _no_cache_chosen():
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    jax.config.update("jax_compilation_cache_dir", before)


@pytest.fixture
def _homeless(monkeypatch, _no_cache_chosen):
    """As under `docker run --user 1234`: no HOME, and a user whom nobody knows."""

    def unknown(number):
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME", "TFDS_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_homeless")
def test_without_a_home_nothing_is_kept_and_all_works(command_line, refused, pair, tmp_path):
    result = command_line(*pair)
    assert (result.returncode, result.stderr.count("\n")) == (0, 1), result.stderr
    for words in (("datasets", "list"), ("doctor", f"--weights_dir={tmp_path / 'none'}")):
        result = command_line(*words)
        assert (result.returncode, result.stderr) == (0, "")
    words = ("datasets", "prepare", "tno", f"--manual_dir={tmp_path}")
    refused(*words, named=["no home folder", "--data_dir"])


@pytest.mark.usefixtures("_no_cache_chosen")
def test_a_cache_that_cannot_be_written_is_not_used(command_line, monkeypatch, pair, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    result = command_line(*pair)
    assert (result.returncode, result.stderr.count("\n")) == (0, 1), result.stderr
    chosen = str(tmp_path / "file" / "chosen")
    jax.config.update("jax_compilation_cache_dir", chosen)
    result = command_line(*pair, "--resume")
    note, end = result.stderr.splitlines()
    assert note.startswith(f"ttd-jax: remark: {chosen}: compiled programs cannot be kept here")
    assert end.endswith("0 scenes fused, 1 reused")


# Paths ----------------------------------------------------------------------------------------


def test_a_tilde_is_the_home_folder(command_line, monkeypatch, pair, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    name, weights, _, *pictures = pair
    result = command_line(name, weights, "--out=~/here", *pictures)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "here" / "a.png").is_file()
    words = ("--fused=~/here", f"--sources={tmp_path},~/", "--metrics=EN", "--out=~/scores")
    result = command_line("score", *words)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "scores" / "scores.json").is_file()
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("fuse", "--out="),
        ("score", "--fused="),
        ("evaluate", "--out="),
        ("finetune", "--workdir="),
        ("demo", "--out="),
        ("weights", "--out=", "list"),
        ("datasets", "--data_dir=", "list"),
    ],
)
def test_an_empty_path_is_not_the_folder_where_one_stands(refused, words):
    refused(*words, named=[words[1], "it is empty"])


def test_a_link_to_itself_is_one_line(refused, pair, tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    name, weights, out, *pictures = pair
    refused(name, weights, f"--out={loop}", *pictures, named=[loop])
    refused(name, weights, out, loop, loop, named=[loop])


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_closed_folder_is_named(refused, pair, tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    name, weights, out, *pictures = pair
    closed = tmp_path / "closed" / "in"
    refused(name, f"--weights={closed}", out, *pictures, named=[closed, "Permission denied"])
    refused(name, weights, out, closed, closed, named=[closed, "Permission denied"])


# Help -----------------------------------------------------------------------------------------


def test_help_of_a_command_is_found_either_way(command_line):
    assert command_line("help", "fuse").stdout == command_line("fuse", "--help").stdout


def test_an_argument_too_many_names_the_flags(refused):
    refused("convert", "x.pth", named=["'x.pth'", "--checkpoint"])
    refused("score", "a", "b", named=["'a'", "--fused, --sources, --out"])
