"""`ttd-jax fuse --resume` after kills at any moment."""

import json
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tests.commands.conftest import draw

SCENES = 36


@pytest.fixture(scope="module", autouse=True)
def _quickly():
    """Not here: many pictures take longer than to optimize their program."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("folders")
    for i in range(SCENES):
        size = (120, 160) if i % 3 else (97, 131)
        draw(root / "v" / f"{i:02}.png", size, channels=3, seed=i)
        draw(root / "i" / f"{i:02}.png", size, seed=100 + i)
    return root / "v", root / "i"


def words_of(fuse, out, folders):
    save = "--save=fused,dominability,components,losses"
    return fuse(out, save, "--batch_size=4", "--resume", "--json", *folders)


def finished_lines(out: pathlib.Path) -> int:
    path = out / ".unfinished" / "process-00000.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def stop_after(count, words, out, how):
    """Starts the command and stops it once `count` scenes are finished."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ttd_jax", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while finished_lines(out) < count and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.send_signal(how)
    return process, process.communicate(timeout=60)


def content(out):
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "timings.json"
    }


def test_killed_runs_end_with_the_bytes_of_an_uninterrupted_one(
    command_line, fuse, folders, tmp_path
):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert command_line(*words_of(fuse, whole, folders)).returncode == 0

    words = words_of(fuse, killed, folders)
    for count in (1, 11, 22):
        process, _ = stop_after(count, words, killed, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert not (killed / "summary.json").exists()
        assert finished_lines(killed) < SCENES
    finished = finished_lines(killed)
    times = {path: path.stat().st_mtime_ns for path in killed.glob("*.png")}
    result = command_line(*words)
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["reused"] == finished
    assert answer["fused"] == SCENES - finished
    untouched = [p for p, t in times.items() if p.stat().st_mtime_ns == t]
    assert len(untouched) >= finished
    assert content(killed) == content(whole)

    again = json.loads(command_line(*words).stdout)  # a finished run has nothing left to do
    assert (again["fused"], again["reused"]) == (0, SCENES)
    assert content(killed) == content(whole)


def test_a_polite_kill_says_how_to_go_on(fuse, folders, tmp_path):
    out = tmp_path / "out"
    words = words_of(fuse, out, folders)
    process, (stdout, stderr) = stop_after(3, words, out, signal.SIGTERM)
    assert process.returncode == 2
    assert stdout == ""
    assert len(stderr.splitlines()) == 1
    assert "--resume" in stderr


def test_other_settings_are_not_mixed_in(command_line, refused, fuse, pair, tmp_path):
    out = tmp_path / "out"
    assert command_line(*fuse(out, *pair)).returncode == 0
    before = content(out)
    refused(*fuse(out, "--resume", "--strategy=static", *pair), named=[out, "strategy"])
    assert content(out) == before


def test_a_changed_source_is_fused_again(command_line, fuse, pair, tmp_path):
    out = tmp_path / "out"
    assert command_line(*fuse(out, *pair)).returncode == 0
    draw(pair[1], seed=5)
    answer = json.loads(command_line(*fuse(out, "--resume", "--json", *pair)).stdout)
    assert (answer["fused"], answer["reused"]) == (1, 0)


def test_the_same_name_in_two_folders_is_two_files(
    command_line, refused, fuse, tmp_path, monkeypatch
):
    for seed, name in enumerate(("d1", "d2")):
        draw(tmp_path / name / "v.png", channels=3, seed=seed)
        draw(tmp_path / name / "i.png", seed=10 + seed)
    words = fuse(tmp_path / "out", "--resume")
    monkeypatch.chdir(tmp_path / "d1")
    assert command_line(*words, "v.png", "i.png").returncode == 0
    before = content(tmp_path / "out")
    monkeypatch.chdir(tmp_path / "d2")
    refused(*words, "v.png", "i.png", named=["v of other sources", tmp_path / "d1" / "v.png"])
    assert content(tmp_path / "out") == before
    draw(tmp_path / "d1" / "v.png", channels=3, seed=5)  # otherwise named, and yet the same
    result = command_line(*words, "../d1/./v.png", tmp_path / "d1" / "i.png")
    assert result.returncode == 0, result.stderr


def test_records_without_paths_are_known_by_their_names(command_line, fuse, pair, tmp_path):
    out = tmp_path / "out"
    assert command_line(*fuse(out, *pair)).returncode == 0
    summary = json.loads((out / "summary.json").read_text())
    for source in summary[0]["sources"]:
        del source["path"]
    (out / "summary.json").write_text(json.dumps(summary))
    draw(pair[1], seed=5)
    assert command_line(*fuse(out, "--resume", *pair)).returncode == 0
