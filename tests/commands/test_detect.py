"""`ttd-jax detect`: `eval` finds objects in the pictures that `fuse` saves; mistakes."""

import json
import pathlib

import numpy as np
import pytest

from tests.commands.conftest import draw
from tests.detection.small import random_detector, save

CONFIG = pathlib.Path(__file__).resolve().parents[2] / "configs" / "detect.py"
SIZE = (64, 96)


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """One labeled night-time pair in the authors' layout."""
    root = tmp_path_factory.mktemp("benchmarks")
    draw(root / "msrs/test/vi/00001N.png", SIZE, channels=3)
    draw(root / "msrs/test/ir/00001N.png", SIZE, seed=1)
    (root / "msrs/labels/fusion/test").mkdir(parents=True)
    (root / "msrs/labels/fusion/test/00001N.txt").write_text(
        "0 0.5 0.5 0.25 0.5\n2 0.2 0.2 0.1 0.1"
    )
    return root


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return save(tmp_path_factory.mktemp("detector") / "nano", random_detector())


def test_fusions_from_the_network_are_the_pictures_that_fuse_saves(
    command_line, fuse, benchmark, detector, random_weights, tmp_path
):
    test = benchmark / "msrs/test"
    result = command_line(*fuse(tmp_path / "mine", test / "vi", test / "ir"))
    assert result.returncode == 0, result.stderr
    (saved,) = (tmp_path / "mine").rglob("00001N*.png")
    (tmp_path / "named").mkdir()
    saved.rename(tmp_path / "named/00001N.png")
    result = command_line(
        "detect",
        "eval",
        f"--config={CONFIG}:msrs/detection",
        f"--config.root={benchmark}",
        f"--config.detector={detector}",
        f"--config.weights_dir={random_weights.parent}",
        f"--config.size={SIZE}",
        "--config.inputs=('ttd',)",
        f"--config.results=('saved={tmp_path / 'named'}',)",
        f"--out={tmp_path / 'out'}",
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == (tmp_path / "out/results.md").read_text()
    (line,) = (tmp_path / "out/records/process-00000.jsonl").read_text().splitlines()
    found = json.loads(line)["found"]
    assert found["ttd"]["boxes"]
    np.testing.assert_allclose(found["saved"]["boxes"], found["ttd"]["boxes"], atol=1e-3)
    assert len(list((tmp_path / "out/pictures").iterdir())) == 1


def test_mistakes_are_one_line(refused, benchmark, tmp_path):
    refused("detect", f"--out={tmp_path / 'out'}", named=("detect eval", "detect train"))
    refused("detect", "train", f"--out={tmp_path / 'out'}", named=("--workdir",))
    words = ("detect", "eval", f"--config={CONFIG}:msrs/detection", f"--config.root={benchmark}")
    words += ("--config.inputs=('visible',)", f"--out={tmp_path / 'out'}")
    refused(*words, named=("weights/yolox_nano", "convert"))
    assert not (tmp_path / "out").exists()
