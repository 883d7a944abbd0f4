"""`ttd-jax finetune`: kills, processes, signals, and what it tells."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.commands.conftest import start_two
from tests.training.small_run import STEPS, draw_pairs, records, small_config
from ttd_jax.files import read_json_lines
from ttd_jax.weights.store import load, read_manifest

ALL = sum(STEPS)


@pytest.fixture(scope="module")
def finetune(random_weights, tmp_path_factory):
    """`finetune(workdir, *flags)` gives the words of a command on drawn pairs.

    `phases` is how many of the phases of a small run to train.
    """
    root = draw_pairs(tmp_path_factory.mktemp("finetune"))
    for phases in (1, 2):
        config = small_config(root, random_weights)
        config.phases = config.phases[:phases]
        (root / f"phases{phases}.py").write_text(_FILE.format(config.to_json()))
    return lambda workdir, *flags, phases=2: (
        "finetune",
        f"--workdir={workdir}",
        f"--config={root / f'phases{phases}.py'}",
        *flags,
    )


_FILE = """import json, ml_collections

def get_config():
    fields = json.loads({!r})
    fields["phases"] = tuple(map(ml_collections.ConfigDict, fields["phases"]))
    tuples = {{k: tuple(v) for k, v in fields.items() if isinstance(v, list)}}
    return ml_collections.ConfigDict({{**fields, **tuples}})
"""


@pytest.fixture(scope="module")
def whole(command_line, finetune, tmp_path_factory):
    """A run that nothing stopped, and what it printed."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    result = command_line(*finetune(workdir))
    assert result.returncode == 0, result.stderr
    return workdir, result.stdout


def steps_so_far(workdir):
    path = workdir / "log.jsonl"
    return max((r["step"] for r in read_json_lines(path)), default=0) if path.is_file() else 0


def wait_for(workdir, step, processes):
    """Waits until a run has logged `step`, or ended."""
    deadline = time.monotonic() + 240
    while steps_so_far(workdir) < step and time.monotonic() < deadline:
        if any(p.poll() is not None for p in processes):
            return
        time.sleep(0.01)


def test_it_tells_what_became_of_the_held_back_scenes(whole):
    workdir, printed = whole
    assert printed.startswith(f"{workdir / 'ifcnn_sum'}: trained for {ALL} steps\n")
    assert "ttd/SD" in printed
    load(workdir / "ifcnn_sum")


def test_kills_at_any_step_change_no_bit(command_line, finetune, whole, tmp_path):
    generator = np.random.default_rng(0)
    workdir = tmp_path / "run"
    killed = 0
    for _ in range(3):  # in both phases
        goal = steps_so_far(workdir) + int(generator.integers(2, 5))
        words = [sys.executable, "-m", "ttd_jax", *finetune(workdir, "--resume")]
        with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            wait_for(workdir, goal, [process])
            process.kill()
            process.communicate()
        killed += process.returncode == -signal.SIGKILL and steps_so_far(workdir) > 0
    assert killed > 1
    result = command_line(*finetune(workdir, "--resume", "--json"))
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["step"], told["weights"]) == (ALL, str(workdir / "ifcnn_sum"))
    assert records(workdir) == records(whole[0])
    digests = [read_manifest(run / "ifcnn_sum")["sha256"] for run in (workdir, whole[0])]
    assert digests[0] == digests[1]


def test_two_processes_of_two_devices_train_as_one_does_through_a_polite_stop(
    finetune, whole, tmp_path
):
    workdir = tmp_path / "run"
    processes = start_two(finetune(workdir, phases=1))
    wait_for(workdir, 3, processes)
    processes[1].send_signal(signal.SIGTERM)  # one is told, both stop after the same step
    for p in processes:
        _, stderr = p.communicate(timeout=240)
        assert p.returncode == 0, stderr
    stopped = steps_so_far(workdir)
    assert 3 <= stopped < STEPS[0]
    words = finetune(workdir, "--resume", phases=1)
    processes = start_two(words, told="environment")
    for p in processes:
        _, stderr = p.communicate(timeout=240)
        assert p.returncode == 0, stderr
    first_phase = [record for record in records(whole[0]) if record["step"] <= STEPS[0]]
    for mine, expected in zip(records(workdir), first_phase, strict=True):
        assert (mine["kind"], mine["step"]) == (expected["kind"], expected["step"])
        # the same samples, summed in another order
        assert mine["loss"] == pytest.approx(expected["loss"], rel=1e-3)
    load(workdir / "ifcnn_sum")


def test_a_picture_that_one_process_cannot_read_ends_all_in_a_line(finetune, tmp_path):
    first = """
from ttd_jax.errors import UserError
from ttd_jax.training.pipeline import Pipeline
draw = Pipeline.__next__
def fail(pipeline):
    if pipeline.position:
        raise UserError("x.png: damaged")
    return draw(pipeline)
Pipeline.__next__ = fail
"""
    words = finetune(tmp_path / "run", f"--profile={tmp_path / 'profile'}", phases=1)
    told = []
    for p in start_two(words, first=("", first)):
        _, stderr = p.communicate(timeout=120)
        told.append((p.returncode, stderr.splitlines()[1:]))
    lines = ["ttd-jax: process 1: x.png: damaged", "ttd-jax: x.png: damaged"]
    assert told == [(2, [line]) for line in lines]
    assert list((tmp_path / "profile" / "process-1").rglob("*.xplane.pb"))


def test_a_run_is_neither_overwritten_nor_changed(refused, finetune, whole):
    refused(*finetune(whole[0]), named=[whole[0], "--resume"])
    refused(*finetune(whole[0], "--resume", "--config.crop=15"), named=["config.crop"])
