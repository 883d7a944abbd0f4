"""The study of several networks: does TTD help each of them?"""

import math

import cv2
import pytest

from tests.random_models import random_model
from ttd_jax.analysis.run import analyze, plan
from ttd_jax.errors import UserError
from ttd_jax.weights import store


@pytest.fixture(scope="module")
def two_networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    for name in ("ifcnn_mean", "piafusion"):
        store.save(folder / name, random_model(name))
    return folder


def _configure(configure, folder, **fields):
    fields = {"weights_dir": str(folder), "metrics": ("SD", "CE"), **fields}
    return configure("networks,lytro/pairs", **fields)


def test_all_networks_whose_weights_are_there_are_compared(configure, two_networks, tmp_path):
    config = _configure(configure, two_networks, presets=("self", "component"))
    (result,) = analyze(config, tmp_path / "out")
    assert result["model"] == "ifcnn_mean, piafusion"
    rows = {(row["pass"], row["weighing"]): row["measures"] for row in result["rows"]}
    presets = {"self", "component"}
    assert rows.keys() == {
        (network, weighing)
        for network in ("ifcnn_mean", "piafusion")
        for weighing in {"static", *presets}
    }
    for helped in result["helps"]:
        own = rows[helped["network"], helped["weighing"]]
        static = rows[helped["network"], "static"]
        better = []
        for name, sign in (("SD", 1), ("CE", -1)):
            change = 100 * (own[name]["mean"] / static[name]["mean"] - 1)
            assert math.isclose(helped["changes"][name], change, abs_tol=1e-9)
            if abs(change) >= 0.1:
                better.append(sign * change > 0)
        assert helped["better"] == (sum(better) / len(better) if better else None)
    table = (tmp_path / "out/networks/results.md").read_text()
    assert "| piafusion | component |" in table
    assert "(lytro_pairs.png)" in table
    sheet = cv2.imread(str(tmp_path / "out/networks/lytro_pairs.png"))
    assert sheet.shape[1] > 4 * 300  # two fusions of each network in a row
    assert (tmp_path / "out/networks/plot.png").stat().st_size > 10_000


def test_networks_may_be_named(configure, two_networks):
    ((study, _),) = plan(_configure(configure, two_networks, networks=("piafusion",)))
    assert [one.model for one in study.passes] == ["piafusion"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"networks": ("piafuson",)}, "unknown 'piafuson'"),
        ({"networks": ("ifcnn_sum",)}, "no weights here"),
        ({"weights_dir": "nowhere"}, "weights_dir=nowhere: holds weights of no network"),
    ],
)
def test_what_is_not_there_is_told(configure, two_networks, tmp_path, fields, message):
    with pytest.raises(UserError, match=message):
        analyze(_configure(configure, two_networks, **fields), tmp_path)
