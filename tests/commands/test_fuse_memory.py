"""`ttd-jax fuse` with little memory."""

import json

import cv2
import jax
import numpy as np
import pytest

from tests.commands.conftest import draw
from ttd_jax.fusing import compute, run
from ttd_jax.pictures.images import read_picture

SCENES = 5
SAVE = "--save=fused,dominability,components,losses"


def test_little_memory_gives_the_files_of_much(command_line, fuse, tmp_path):
    pair = [
        draw(tmp_path / "vis.png", (700, 24), channels=4),
        draw(tmp_path / "ir.png", (700, 24), seed=1),
    ]
    scenes = {}
    for memory in ("8GiB", "332MiB"):
        result = command_line(
            *fuse(tmp_path / memory, f"--max_memory={memory}", SAVE, "--json", *pair)
        )
        assert result.returncode == 0, result.stderr
        (scenes[memory],) = json.loads(result.stdout)["scenes"]
    windows = [scene.pop("windows") for scene in scenes.values()]
    assert windows[0] == {"count": 1, "size": [700, 24]}
    assert windows[1]["count"] > 1
    assert windows[1]["size"] < [700, 24]
    much, little = scenes.values()
    for one, other in zip(much.pop("sources"), little.pop("sources"), strict=True):
        for name in ("dominates", "mean_dominability"):
            assert abs(one.pop(name) - other.pop(name)) < 1e-4
        assert one == other
    files, others = much.pop("files"), little.pop("files")
    assert list(files) == list(others)
    assert much == little
    for name in files:
        if name.endswith(".tiff"):
            losses = [cv2.imread(str(tmp_path / m / name), cv2.IMREAD_UNCHANGED) for m in scenes]
            np.testing.assert_allclose(*losses, atol=1e-5)
            continue
        whole, cut = (read_picture(tmp_path / memory / name) for memory in scenes)
        assert whole.pixels.dtype == cut.pixels.dtype
        np.testing.assert_allclose(whole.pixels.astype(int), cut.pixels.astype(int), atol=1)
        np.testing.assert_array_equal(whole.alpha, cut.alpha)
    # Memory is no setting of the results: a run with another bound goes on with them.
    words = fuse(tmp_path / "8GiB", "--max_memory=332MiB", "--resume", SAVE, "--json", *pair)
    assert json.loads(command_line(*words).stdout)["reused"] == 1


def test_a_memory_that_is_no_size_or_too_little_is_refused(refused, fuse, pair, tmp_path):
    out = tmp_path / "out"
    refused(*fuse(out, "--max_memory=much", *pair), named=["--max_memory", "'much'", "2GiB"])
    for words in ((), ("--dry_run",)):
        little = fuse(out, "--max_memory=1MB", *words, *pair)
        refused(*little, named=["32x24", "--max_memory=", "1MiB"])
    assert not out.exists()


@pytest.fixture
def folders(tmp_path):
    for i in range(SCENES):
        draw(tmp_path / "v" / f"{i}.png", (16, 24), channels=3, seed=i)
        draw(tmp_path / "i" / f"{i}.png", (16, 24), seed=10 + i)
    return tmp_path / "v", tmp_path / "i"


def test_files_do_not_depend_on_how_many_scenes_fit(
    command_line, fuse, folders, tmp_path, monkeypatch
):
    def batches(name, *words):
        result = command_line(*fuse(tmp_path / name, "--resume", *words, *folders))
        assert result.returncode == 0, result.stderr
        made = json.loads((tmp_path / name / "timings.json").read_text())["batches"]
        return [batch["scenes"] for batch in made]

    assert batches("cpu") == [SCENES]
    monkeypatch.setattr(run, "batch_memory", lambda device: 1)
    monkeypatch.setattr(compute.BatchFuser, "fit", lambda fuser, batch: 2)
    assert batches("own") == [2, 2, 1]
    for path in (tmp_path / "cpu").glob("*.png"):
        assert path.read_bytes() == (tmp_path / "own" / path.name).read_bytes()
    (tmp_path / "own" / "3.png").unlink()
    assert batches("own") == [1]
    monkeypatch.delattr(compute.BatchFuser, "fit")  # all is finished: nothing is to be chosen
    assert batches("own") == []


def test_memory_that_runs_out_is_told_with_the_mend(refused, fuse, folders, tmp_path, monkeypatch):
    def fail(*arguments):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes")

    monkeypatch.setattr(compute.BatchFuser, "__call__", fail)
    words = fuse(tmp_path / "out", "--max_memory=2GiB", *folders)
    refused(*words, named=["out of memory", "--batch_size=1", "--max_memory=1024MiB"])
    assert not list((tmp_path / "out").rglob("*.png"))
