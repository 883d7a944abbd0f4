"""Packages from outside: a network, a metric, a loss map and a data set that nobody here knows."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

PLUGINS = pathlib.Path(__file__).parent / "plugins"
CONFIG = PLUGINS.parents[1] / "configs" / "evaluate.py"
# Runs commands one after the other in a process that has the plug-ins; prints what each gave.
_RUN = """
import contextlib, io, json, sys
from ttd_jax.main import main

results = []
for words in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["ttd-jax", *words])
    results.append([status, out.getvalue(), err.getvalue()])
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder into which all plug-ins are installed, as pip does it."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("plugins")
    for name in ("tiny_fusion", "laplacian_energy", "average_loss", "street_pairs"):
        shutil.copytree(PLUGINS / name, folder / "sources" / name)  # pip builds beside them
    words = ["install", "--quiet", "--no-deps", "--no-build-isolation"]
    sources = sorted(map(str, (folder / "sources").iterdir()))
    target = ["--target", str(folder / "site")]
    subprocess.run([sys.executable, "-m", "pip", *words, *target, *sources], check=True)
    return folder / "site"


@pytest.fixture(scope="module")
def python(installed):
    """`python(code, input)` runs code in a process that has the plug-ins; what it printed."""

    def run(code, given=None):
        path = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
        result = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": path},
            input=given,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


def draw(path, size, *, channels, dtype, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).random((*size, channels), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2).reshape(*size, channels)
    pixels = (smooth - smooth.min()) / np.ptp(smooth) * np.iinfo(dtype).max
    assert cv2.imwrite(str(path), pixels.astype(dtype))


@pytest.fixture(scope="module")
def results(python, tmp_path_factory):
    """Every command with the plug-in network: name -> (status, stdout, stderr); and the folder."""
    import torch

    root = tmp_path_factory.mktemp("work")
    torch.manual_seed(0)
    encoder, decoder = torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.Conv2d(16, 1, 3, padding=1)
    modules = torch.nn.ModuleDict({"encoder": encoder, "decoder": decoder})
    torch.save(modules.state_dict(), root / "tiny.pth")
    for index, size in enumerate([(700, 200), (33, 21)]):  # large, and odd
        draw(root / "visible" / f"{index}.png", size, channels=3, dtype=np.uint16, seed=index)
        draw(root / "infrared" / f"{index}.png", size, channels=1, dtype=np.uint8, seed=9 + index)
    folders = [str(root / "visible"), str(root / "infrared")]
    network = ["--model=tiny_fusion", f"--weights={root / 'tiny_fusion'}"]
    config = [
        f"--config.sources={tuple(folders)!r}",
        f"--config.weights_dir={root}",
        "--config.metrics=('EOL','SD')",
        "--config.strategies=('static','ttd','average')",
    ]
    commands = {
        "convert": [
            "convert",
            network[0],
            f"--checkpoint={root / 'tiny.pth'}",
            f"--out={root / 'tiny_fusion'}",
        ],
        "whole": ["fuse", *network, f"--out={root / 'whole'}", "--max_memory=8GiB", *folders],
        "parts": [
            "fuse",
            *network,
            f"--out={root / 'parts'}",
            "--max_memory=332MiB",
            "--json",
            *folders,
        ],
        "average": [
            "fuse",
            *network,
            f"--out={root / 'average'}",
            "--dominability=average",
            *folders,
        ],
        "evaluate": [
            "evaluate",
            f"--out={root / 'results'}",
            f"--config={CONFIG}:tiny_fusion,pairs",
            *config,
        ],
        "export": ["export", *network, f"--out={root / 'tiny.stablehlo'}", "--platforms=cpu"],
        "benchmark": ["benchmark", "--what=fusion", *network, "--size=16x16", "--repeats=1"],
        "metrics": ["metrics"],
        "models": ["models"],
        "score": [
            "score",
            f"--fused={root / 'whole'}",
            f"--sources={','.join(folders)}",
            f"--out={root / 'scores'}",
            "--metrics=EOL,SD",
        ],
        "unknown": ["fuse", "--model=tiny_fuson", "--weights=x", f"--out={root / 'x'}", *folders],
    }
    given = json.dumps(list(commands.values()))
    found = json.loads(python(_RUN, given).splitlines()[-1])
    return dict(zip(commands, found, strict=True)), root


@pytest.mark.parametrize(
    "name",
    [
        "convert",
        "whole",
        "parts",
        "average",
        "evaluate",
        "export",
        "benchmark",
        "metrics",
        "models",
        "score",
    ],
)
def test_every_command_takes_the_network_by_its_name(results, name):
    status, _, stderr = results[0][name]
    assert status == 0, stderr


def test_pictures_keep_depth_and_color_and_parts_equal_the_whole(results):
    found, root = results
    scenes = json.loads(found["parts"][1])["scenes"]
    assert [scene["windows"]["count"] > 1 for scene in scenes] == [True, False]
    for scene in scenes:
        name = f"{scene['scene']}.png"
        whole, parts = (
            cv2.imread(str(root / out / name), cv2.IMREAD_UNCHANGED) for out in ("whole", "parts")
        )
        assert (whole.dtype, whole.shape) == (np.uint16, (*scene["size"], 3))
        np.testing.assert_allclose(whole.astype(int), parts.astype(int), atol=2)  # of 65535


def test_a_loss_map_from_outside_gives_other_pictures(results):
    _, root = results
    own, average = (
        cv2.imread(str(root / out / "1.png"), cv2.IMREAD_UNCHANGED) for out in ("whole", "average")
    )
    assert np.abs(own.astype(int) - average).max() > 10


def test_a_metric_from_outside_is_listed_and_scored_wherever_metrics_are(results):
    found, root = results
    assert "energy of the Laplacian" in found["metrics"][1]
    scored = json.loads((root / "scores" / "scores.json").read_text())
    assert "EOL" in json.dumps(scored)
    evaluated = (root / "results" / "results.md").read_text()
    assert "EOL" in evaluated
    assert "average" in evaluated


def test_the_network_is_listed_and_suggested(results):
    found, _ = results
    assert "tiny_fusion" in found["models"][1]
    status, _, stderr = found["unknown"]
    assert status == 2
    assert "did you mean 'tiny_fusion'?" in stderr


def test_torch_and_flax_agree(results, python):
    import torch

    _, root = results
    state = torch.load(root / "tiny.pth", weights_only=True)
    sources = np.random.default_rng(0).random((2, 9, 12, 1), np.float32)
    np.save(root / "sources.npy", sources)
    code = f"""
import jax, numpy as np, ttd_jax
model = ttd_jax.load({str(root / "tiny_fusion")!r})
image = jax.jit(ttd_jax.static_fuse)(model, np.load({str(root / "sources.npy")!r})).image
np.save({str(root / "image.npy")!r}, image)
"""
    python(code)
    x = torch.from_numpy(sources).permute(0, 3, 1, 2)
    conv = torch.nn.functional.conv2d
    hidden = conv(x, state["encoder.weight"], state["encoder.bias"], padding=1).relu()
    fused = conv(hidden.mean(0), state["decoder.weight"], state["decoder.bias"], padding=1)
    expected = fused.clamp(0, 1).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(np.load(root / "image.npy"), expected, atol=1e-6)


def test_a_data_set_from_outside_is_evaluated_by_its_name(python, results):
    _, root = results
    pytest.importorskip("tensorflow_datasets")
    code = f"""
from street_pairs import prepare
prepare({str(root)!r}, {str(root / "data")!r})
"""
    python(code)
    words = [
        "evaluate",
        f"--out={root / 'street'}",
        f"--config={CONFIG}:tiny_fusion,street_pairs",
        f"--config.data_dir={root / 'data'}",
        f"--config.weights_dir={root}",
        "--config.metrics=('SD',)",
        "--config.gallery=0",
    ]
    ((status, _, stderr),) = json.loads(python(_RUN, json.dumps([words])).splitlines()[-1])
    assert status == 0, stderr
    assert "street_pairs" in (root / "street" / "results.md").read_text()


def test_a_plugin_that_cannot_be_imported_is_told_and_ends_nothing(tmp_path):
    site = tmp_path / "broken-0.1.dist-info"
    site.mkdir()
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 0.1\n")
    (site / "entry_points.txt").write_text("[ttd_jax.plugins]\nbroken = broken_module\n")
    (tmp_path / "broken_module.py").write_text("import not_there\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    result = subprocess.run(
        [sys.executable, "-c", _RUN],
        env={**os.environ, "PYTHONPATH": path},
        input=json.dumps([["models"], ["fuse", "--model=x", "--weights=x", "--out=x"]]),
        capture_output=True,
        text=True,
        timeout=300,
    )
    listed, asked = json.loads(result.stdout.splitlines()[-1])
    told = "plug-in 'broken' (broken_module) of broken is left out: ModuleNotFoundError"
    assert listed[0] == 0
    assert "ifcnn_sum" in listed[1]
    (line,) = listed[2].splitlines()
    assert told in line
    assert "not_there" in line
    assert asked[0] == 2
    (line,) = asked[2].splitlines()
    assert "unknown model 'x'" in line
    assert told in line
