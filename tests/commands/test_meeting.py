"""Processes of a run find each other, and end together."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from jax._src.clusters import cloud_tpu_cluster

from tests.commands.conftest import draw, free_port, slurm, start_two
from tests.conftest import REPOSITORY
from ttd_jax.commands import meeting

SCENES = 6
PAGE = REPOSITORY / "docs" / "clusters.md"
LINE = "ttd-jax: process {} of 2, from 0, with 2 of 4 devices"
ENDED = 120  # seconds, of which imports and waits for a processor take most


@pytest.fixture(scope="module")
def evaluate(random_weights, tmp_path_factory):
    """`evaluate(out, *flags)` gives the words of a command on drawn pairs; and their folder."""
    root = tmp_path_factory.mktemp("pairs")
    for i in range(SCENES):
        draw(root / "v" / f"{i}.png", seed=i)
        draw(root / "i" / f"{i}.png", seed=100 + i)

    def words(out, *flags, pairs=root):
        return [
            "evaluate",
            f"--out={out}",
            "--config=evaluate.py:ifcnn_sum,mine",
            f"--config.weights_dir={random_weights.parent}",
            f"--config.sources={pairs / 'v'},{pairs / 'i'}",
            "--config.metrics=SD,AG",
            "--config.batch_size=1",
            "--config.gallery=0",
            *flags,
        ]

    return words, root


@pytest.fixture(scope="module")
def alone(command_line, evaluate, tmp_path_factory):
    """The table of a single process, in a task of Slurm that has no others."""
    out = tmp_path_factory.mktemp("alone") / "out"
    result = command_line(*evaluate[0](out, "--json"), env=slurm(0, 1))
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)


def outcomes(processes):
    """`(status, stdout, the lines of stderr)` of each, and the seconds that they took."""
    begin = time.monotonic()
    told = [process.communicate(timeout=240) for process in processes]
    found = [
        (process.returncode, stdout, stderr.splitlines())
        for process, (stdout, stderr) in zip(processes, told, strict=True)
    ]
    return found, time.monotonic() - begin


def test_tasks_of_slurm_find_each_other_and_score_as_one_does(evaluate, alone, tmp_path):
    profile = tmp_path / "profile"
    words = evaluate[0](tmp_path / "out", "--json", f"--profile={profile}")
    (first, second), _ = outcomes(start_two(words, told="slurm"))
    assert (first[0], first[2]) == (0, [LINE.format(0)])
    assert json.loads(first[1]) == alone
    assert second == (0, "", [LINE.format(1)])
    traced = sorted(path.relative_to(profile).parts[:2] for path in profile.rglob("*.xplane.pb"))
    assert traced == [("process-0", "plugins"), ("process-1", "plugins")]


def test_alone_where_that_is_asked_for(command_line, evaluate, alone, tmp_path):
    words = evaluate[0](tmp_path / "out", "--distributed=off", "--json")
    result = command_line(*words, env=slurm(1, 2))
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout) == alone


def test_the_recipe_for_a_laptop_runs(evaluate, tmp_path):
    (recipe,) = (
        block
        for block in re.findall(r"(?:^    .*\n)+", PAGE.read_text(), re.MULTILINE)
        if "JAX_PLATFORMS=cpu" in block
    )
    recipe = textwrap.dedent(recipe).replace(":1234", f":{free_port()}")
    for role, name in (("v", "visible"), ("i", "infrared")):
        (tmp_path / name).symlink_to(evaluate[1] / role)
    (tmp_path / "ttd-jax").write_text(f'#!/bin/sh\nexec {sys.executable} -P -m ttd_jax "$@"\n')
    (tmp_path / "ttd-jax").chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    words = {"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 240, "check": False}
    result = subprocess.run(["bash", "-c", recipe], env={**os.environ, **path}, **words)
    assert sorted(result.stderr.splitlines()) == [LINE.format(process) for process in range(2)]
    assert result.stdout.startswith("# ")
    assert (tmp_path / "results" / "report.html").is_file()


# How a process fails: by a picture that the check finds, one that is damaged after it, or a signal.
CHECKED, DAMAGED = "", "open(picture, 'w').close()"
STOPPED = "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)"
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"
BEFORE_SCORING = """
import os, signal, time
from ttd_jax.commands import meeting
from ttd_jax.evaluation import evaluate
from ttd_jax.pictures import checking
meeting._GRACE, meeting._PARTING, meeting._LOST = 0.5, 10, 10
checking._KEPT = 0
picture, score = {!r}, evaluate.evaluate_dataset
def fail(*args, **options):
    {}
    return score(*args, **options)
evaluate.evaluate_dataset = fail
"""


@pytest.mark.parametrize(
    ("failing", "how", "named"),
    [(1, CHECKED, "1.png"), (0, DAMAGED, "0.png"), (1, STOPPED, "run again with --resume")],
)
def test_what_ends_one_process_ends_all_in_a_line(evaluate, tmp_path, failing, how, named):
    words, root = evaluate
    pairs, first = shutil.copytree(root, tmp_path / "pairs"), ["", ""]
    picture = pairs / "i" / f"{failing}.png"  # of this process's share
    if how:
        first[failing] = BEFORE_SCORING.format(str(picture), how)
    else:
        picture.write_bytes(b"")
    found, seconds = outcomes(start_two(words(tmp_path / "out", pairs=pairs), first=first))
    assert seconds < ENDED
    assert [status for status, *_ in found] == [2, 2]
    own, other = found[failing][2], found[1 - failing][2]
    assert len(own) == 2
    assert named in own[1]
    assert other[1:] == [own[1].replace("ttd-jax:", f"ttd-jax: process {failing}:", 1)]


def test_the_others_of_a_process_that_is_lost_end(evaluate, tmp_path):
    first = [BEFORE_SCORING.format("", how) for how in ("pass", KILLED)]
    (left, lost), seconds = outcomes(start_two(evaluate[0](tmp_path / "out"), first=first))
    assert seconds < ENDED
    assert (left[0], lost[0]) == (2, -signal.SIGKILL)
    assert left[2][1:] == ["ttd-jax: process 1 was lost: see its host"]


# What shows a cluster ---------------------------------------------------------------------------


def test_a_cluster_that_is_asked_for_and_not_there_is_one_line(refused, evaluate, tmp_path):
    words = evaluate[0](tmp_path / "out", "--distributed=on")
    refused(*words, named=["--distributed=on: JAX finds no cluster here", "--coordinator"])
    assert not (tmp_path / "out").exists()


POD = {"TPU_SKIP_MDS_QUERY": "true", "TPU_WORKER_HOSTNAMES": "a,b", "TPU_WORKER_ID": "1"}
SLICE = {"MEGASCALE_NUM_SLICES": "1", "MEGASCALE_SLICE_ID": "0"}
OPEN_MPI = {
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1:34911",
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "2",
}


@pytest.mark.parametrize(
    ("environment", "on_a_tpu", "expected"),
    [
        ({}, False, None),
        (slurm(2, 8), False, (8, 2)),
        (slurm(0, 1), False, (1, 0)),
        ({**slurm(0, 4), "SLURM_STEP_NUM_TASKS": "1"}, False, (1, 0)),  # an interactive step
        ({"SLURM_JOB_ID": "1", "SLURM_NTASKS": "8"}, False, None),  # a batch script, without srun
        (OPEN_MPI, False, (4, 2)),
        ({**OPEN_MPI, **slurm(1, 2)}, False, (4, 2)),  # whose daemons are tasks
        ({**slurm(1, 2), "OMPI_COMM_WORLD_SIZE": "4"}, False, None),  # of 5, which tells no address
        (POD, False, None),  # left over where there is no TPU
        ({**POD, **SLICE}, True, (2, 1)),
        ({**POD, "MEGASCALE_NUM_SLICES": "3", "MEGASCALE_SLICE_ID": "2"}, True, (6, 5)),
        ({**POD, **SLICE, "TPU_WORKER_HOSTNAMES": "a", "TPU_WORKER_ID": "0"}, True, (1, 0)),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, False, None),  # any pod
    ],
)
def test_clusters_are_seen_without_asking_the_network(monkeypatch, environment, on_a_tpu, expected):
    def ask(*_):
        raise AssertionError("the network is asked")

    for name in list(os.environ):
        if name.startswith(("SLURM_", "OMPI_", "TPU_", "MEGASCALE_", "KUBERNETES_")):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cloud_tpu_cluster, "get_metadata", ask)
    monkeypatch.setattr(cloud_tpu_cluster, "running_in_cloud_tpu_vm", on_a_tpu)
    assert meeting._cluster(needed=False) == expected


def test_a_cluster_that_cannot_be_read_is_told(monkeypatch, refused, evaluate, tmp_path, capsys):
    for name, value in {**slurm(0, 2), "SLURM_STEP_NUM_TASKS": "many"}.items():
        monkeypatch.setenv(name, value)
    assert meeting._cluster(needed=False) is None
    assert "goes on without them" in capsys.readouterr().err
    refused(*evaluate[0](tmp_path / "out", "--distributed=on"), named=["many"])
