"""The check of accelerators runs, on this CPU: its code is tested here, not the CPU."""

import json
import os
import subprocess
import sys
import time

import pytest

from tests.accelerator import __main__ as command
from tests.accelerator import batches
from tests.accelerator.checks import Check, compared, run_checks
from tests.conftest import REPOSITORY

# It is for machines that have little but JAX: these cannot be imported, and nothing is installed.
START = """
import runpy, sys
from importlib import metadata

ABSENT = {
    "array_record", "grain", "imagecodecs", "ml_collections", "pycocotools", "tensorflow",
    "tensorflow_datasets", "ttd_jax_configs", "ttd_jax_datasets", "ttd_jax_third_party",
}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

def version(name, find=metadata.version):
    if name == "ttd-jax":
        raise metadata.PackageNotFoundError(name)
    return find(name)

sys.meta_path.insert(0, Absent())
metadata.version = version
runpy.run_module("tests.accelerator", run_name="__main__")
"""
SECTIONS = {
    "fusion": 2,
    "metrics": 2,
    "precision": 2,
    "jobs": 2,
    "speed": 1,
    "memory": 1,
}


@pytest.mark.usefixtures("quick_compilation")
def test_a_bare_machine_is_checked(tmp_path):
    words = ["--tiny", "--platform=cpu", "--model=ifcnn_sum", "--repeats=1", "--guard=0"]
    result = subprocess.run(
        [sys.executable, "-c", START, *words, f"--out={tmp_path}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    record = json.loads((tmp_path / "accelerator.json").read_text())
    assert record["broken"] == []
    found = [check["section"] for check in record["checks"] if check.get("findings")]
    assert {section: found.count(section) for section in SECTIONS} == SECTIONS
    text = (tmp_path / "accelerator.md").read_text()
    assert result.stdout.endswith(f"{text}\n")
    assert "| ifcnn_sum, bucket |" in text


@pytest.mark.usefixtures("quick_compilation")
def test_batches_are_of_as_many_scenes_as_fit(capsys):
    words = ["--memory=600000000", "--size=24x32", "--metrics=EN,SSIM"]
    assert batches.main(words) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["job"], one["scenes"]) for one in found] == [("fuse", 8), ("evaluate", 8)]
    assert batches.main([]) == 2  # a CPU has none of its own


def test_without_an_accelerator_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["accelerator", f"--out={tmp_path / 'out'}"])
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert command.main() == 0
    assert capsys.readouterr().out.startswith("no accelerator found")
    assert not (tmp_path / "out").exists()
    sys.argv.append("--platform=cuda")
    assert command.main() == 2
    assert "--platform=cuda: JAX finds no such device" in capsys.readouterr().err


def test_a_check_that_fails_is_told_and_the_others_go_on(tmp_path):
    def fail():
        raise RuntimeError("CUDNN_STATUS\nat length")

    def findings(difference):
        return lambda: [compared("image", "ttd image", difference, 1e-4)]

    checks = [
        Check("jobs", "fails", fail, held=True),
        Check("precision", "fails", fail),
        Check("fusion", "holds", findings(1e-5), held=True),
        Check("fusion", "differs", findings(2e-4), held=True),
        Check("fusion", "nan", findings(float("nan")), held=True),
    ]
    machine = {"device": "card", "devices": 1, "cpus": 2, "runtime": "none"}
    about = {"machine": machine, "versions": {"jax": "1"}}
    record = run_checks(checks, about, out=tmp_path, end=time.monotonic() + 60, tell=len)
    assert record["broken"] == [
        "jobs: fails: RuntimeError: CUDNN_STATUS",
        "fusion: differs: ttd image differs by 0.0002, more than 0.0001",
        "fusion: nan: ttd image differs by nan, more than 0.0001",
    ]
    text = (tmp_path / "accelerator.md").read_text()
    assert all(line in text for line in record["broken"])
    assert "- precision: fails: RuntimeError: CUDNN_STATUS" in text
    late = run_checks(checks[2:3], about, out=tmp_path, end=time.monotonic(), tell=len)
    assert late["broken"] == ["fusion: holds: no time was left"]
    assert json.loads((tmp_path / "accelerator.json").read_text()) == late


@pytest.mark.parametrize("platforms", ["cuda", "cuda,cpu"])
def test_the_cpu_stays_beside_the_platform_that_was_asked_for(monkeypatch, platforms):
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    monkeypatch.setenv("JAX_PLATFORMS", platforms)
    command._prepare(None)
    assert os.environ["JAX_PLATFORMS"] == "cuda,cpu"
