"""`ttd-jax fuse --task`: the best network for it among the weights that are there."""

import json

import pytest

from tests.commands.conftest import draw
from tests.random_models import random_model
from ttd_jax.core.tasks import TASKS
from ttd_jax.networks import lookup, networks
from ttd_jax.report import measured
from ttd_jax.weights.store import save


@pytest.fixture
def ranked(monkeypatch):
    ranks = {"piafusion": 1.5, "ifcnn_mean": 2.0, "ifcnn_max": 2.5}
    ranking = measured.Ranking(scenes="3 drawn pairs", ranks=ranks)
    monkeypatch.setitem(measured.RANKINGS, "infrared-visible", ranking)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weights of networks, in folders of any name."""
    root = tmp_path_factory.mktemp("weights")
    for folder, name in (("a", "ifcnn_mean"), ("b", "piafusion"), ("c", "cddfuse_mif")):
        save(root / folder, random_model(name))
    return root


@pytest.fixture
def sources(tmp_path):
    return [draw(tmp_path / f / "1.png", (17, 20), seed=s) for s, f in enumerate("vir")]


def _fuse(command_line, folder, out, sources, *words, task="infrared-visible"):
    words = (f"--task={task}", f"--weights={folder}", f"--out={out}", "--json", *words)
    result = command_line("fuse", *words, *sources)
    assert result.returncode == 0, result.stderr
    (scene,) = json.loads(result.stdout)["scenes"]
    return scene["settings"]["model"], result.stderr


def test_the_best_measured_network_is_taken(command_line, ranked, folder, tmp_path, sources):
    model, said = _fuse(command_line, folder, tmp_path / "out", sources[:2])
    assert model == "piafusion"
    assert "piafusion for infrared-visible, measured better than ifcnn_mean" in said
    assert "mean rank 1.5 on 3 drawn pairs" in said


def test_one_that_takes_as_many_sources_is_taken(command_line, ranked, folder, tmp_path, sources):
    model, said = _fuse(command_line, folder, tmp_path / "out", sources)
    assert model == "ifcnn_mean"
    assert "no other here" in said


def test_one_that_was_not_measured_is_told(command_line, folder, tmp_path, sources, monkeypatch):
    monkeypatch.setitem(measured.RANKINGS, "medical", measured.Ranking("none", {"x": 1.0}))
    (tmp_path / "only").mkdir()
    (tmp_path / "only/c").symlink_to(folder / "c")
    found = _fuse(command_line, tmp_path / "only", tmp_path / "out", sources[:2], task="medical")
    assert found[0] == "cddfuse_mif"
    assert "was not measured" in found[1]


def test_without_any_those_of_this_package_are_taken(
    command_line, ranked, tmp_path, sources, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    result = command_line("fuse", "--task=infrared-visible", "--out=out", *sources[:2])
    assert result.returncode == 0, result.stderr
    assert (
        "shipped/ifcnn_sum is used: no weights for infrared-visible of 2 sources are in weights/"
        in result.stderr
    )
    assert "`ttd-jax weights fetch piafusion`" in result.stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--task=infrared-visible", "--model=piafusion"], "leave it or --model out"),
        (["--task=infrared-visible", "--weights=shipped/ifcnn_sum"], "weights already"),
        (["--task=infrared"], "--task"),
        (["--task=medical", "--weights=nowhere"], "--weights=nowhere: no such folder"),
    ],
)
def test_what_contradicts_it_is_refused(refused, tmp_path, sources, words, named):
    refused("fuse", *words, f"--out={tmp_path / 'out'}", *sources[:2], named=[named])


def test_networks_are_ranked_for_every_task():
    assert measured.RANKINGS.keys() == TASKS.keys()
    for task, ranking in measured.RANKINGS.items():
        assert list(ranking.ranks.values()) == sorted(ranking.ranks.values()), task
        for name in ranking.ranks:
            assert name in networks()
            assert task in lookup(name).tasks, (task, name)
