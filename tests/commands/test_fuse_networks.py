"""`ttd-jax fuse` with each of the other networks, on random checkpoints of the authors' layout."""

import json

import numpy as np
import pytest

from tests.commands.conftest import draw
from tests.random_models import random_model
from ttd_jax.networks import lookup
from ttd_jax.pictures.images import read_picture
from ttd_jax.weights.store import load, save

SIZE = (33, 40)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """`weights(name)`: a model directory of any network, with random weights."""
    root = tmp_path_factory.mktemp("networks")

    def make(name):
        if not (root / name).exists():
            model = random_model(name)
            save(root / name, model, source={"sha256": None, "license": "random"})
        return root / name

    return make


@pytest.mark.parametrize("name", ["cddfuse_ivf", "piafusion", "ifcnn_max"])
def test_every_network_fuses_color_files(command_line, weights, tmp_path, name):
    pair = [
        draw(tmp_path / "v" / "1.png", SIZE, channels=3),
        draw(tmp_path / "i" / "1.png", SIZE, seed=1),
    ]
    words = [f"--model={name}", f"--weights={weights(name)}", f"--out={tmp_path / 'out'}"]
    words += ["--residual=sum"] if name == "cddfuse_ivf" else []
    result = command_line("fuse", *words, "--save=fused,dominability,components", "--json", *pair)
    assert result.returncode == 0, result.stderr
    (scene,) = json.loads(result.stdout)["scenes"]
    assert scene["settings"]["dominability"]["loss"] == lookup(name).default_preset
    assert scene["settings"]["residual"] == ("sum" if name == "cddfuse_ivf" else None)
    assert read_picture(tmp_path / "out" / "1.png").colored
    assert read_picture(tmp_path / "out" / "1.png").size == SIZE


def test_the_residual_is_the_users_choice(refused, random_weights, tmp_path):
    pair = [draw(tmp_path / f / "1.png", SIZE, seed=s) for s, f in enumerate("vi")]
    words = ["fuse", "--model=ifcnn_sum", f"--weights={random_weights}", *pair]
    refused(*words, "--residual=sum", f"--out={tmp_path / 'x'}", named=["no residual"])


def test_folding_changes_nothing_but_rounding(command_line, weights, tmp_path):
    pair = [draw(tmp_path / f / "1.png", SIZE, seed=s) for s, f in enumerate("vi")]
    words = ["fuse", "--model=ifcnn_max", f"--weights={weights('ifcnn_max')}", *pair]
    pictures = []
    for flag in ("--fold", "--nofold"):
        assert command_line(*words, flag, f"--out={tmp_path / flag}").returncode == 0
        pictures.append(read_picture(tmp_path / flag / "1.png").pixels.astype(int))
    np.testing.assert_allclose(*pictures, atol=1)
    assert load(weights("ifcnn_max"), fold=True).module.folded


def test_piafusion_takes_exactly_two_sources_of_two_pixels(refused, weights, tmp_path):
    paths = [draw(tmp_path / f / "1.png", seed=s) for s, f in enumerate("vij")]
    out = tmp_path / "out"
    words = ["fuse", "--model=piafusion", f"--weights={weights('piafusion')}", f"--out={out}"]
    refused(*words, *paths, named=["exactly 2", "got 3"])
    tiny = [draw(tmp_path / f / "t.png", (1, 9), seed=s) for s, f in enumerate("vi")]
    refused(*words, *tiny, named=["9x1", "2x2"])
    assert not out.exists()


def test_day_and_night_are_told_where_the_classifier_is_given(
    torch, shared, command_line, refused, random_weights, tmp_path
):
    checkpoint = shared / "weights" / "piafusion" / "best_cls.pth"
    classifier = tmp_path / "classifier"
    words = ["--model=piafusion_classifier", f"--checkpoint={checkpoint}", f"--out={classifier}"]
    assert command_line("convert", *words).returncode == 0
    night = shared / "data" / "msrs" / "test"
    pair = [night / "vi" / "00004N.png", night / "ir" / "00004N.png"]
    words = ["fuse", "--model=ifcnn_sum", f"--weights={random_weights}", f"--out={tmp_path / 'o'}"]
    result = command_line(*words, f"--classifier={classifier}", "--json", *pair)
    assert result.returncode == 0, result.stderr
    (scene,) = json.loads(result.stdout)["scenes"]
    assert scene["day_probability"] < 0.5
    assert len(scene["settings"]["classifier_sha256"]) == 64
    refused(*words, f"--classifier={random_weights}", *pair, named=[random_weights])
