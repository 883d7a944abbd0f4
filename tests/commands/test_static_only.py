"""A network whose sources enter together: every command fuses it statically, or says why not."""

import json
import pathlib

import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from tests import small_networks as small
from tests.commands.conftest import draw
from tests.training.small_run import draw_pairs, records, small_config
from ttd_jax.errors import UserError
from ttd_jax.training.finetune import finetune
from ttd_jax.weights.store import load, save

CONFIGS = pathlib.Path(__file__).resolve().parents[2] / "configs"
WHY = "sources enter together, so that nothing of a single one can be weighed"


class Joined(small.Local):
    """Both sources side by side, through one convolution."""

    separable = False

    def encode(self, x):
        return x

    def merge(self, features, weights):
        return jnp.concatenate([*features], axis=-1)


JOINED = ttd_jax.FusionSpec(
    name="small_joined", build=Joined, channels=1, presets={}, source_count=2
)


@pytest.fixture(scope="module", autouse=True)
def plugin():
    with small.registered():
        ttd_jax.register_network(JOINED)
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("joined") / JOINED.name
    manifest = save(path, small.bound(JOINED), source={"license": "random"})
    assert manifest["settings"] is None
    assert load(path).settings is None
    return path


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return draw_pairs(tmp_path_factory.mktemp("pairs"))


def test_fuse_is_static_unless_something_else_is_asked(command_line, refused, weights, tmp_path):
    pair = [draw(tmp_path / f / "1.png", seed=s) for s, f in enumerate("vi")]
    words = ["fuse", f"--weights={weights}", f"--out={tmp_path / 'out'}", *pair]
    for flag in ("--strategy=ttd", "--dominability=self"):
        refused(*words, flag, named=["small_joined", WHY, "choose the strategy 'static'"])
    words += ["--save=fused,components,losses,dominability"]
    result = command_line(*words, "--json")
    assert f"small_joined: its {WHY}: fused statically" in result.stderr
    (scene,) = json.loads(result.stdout)["scenes"]
    assert (scene["settings"]["strategy"], scene["settings"]["dominability"]) == ("static", None)
    again = command_line(*words, "--strategy=static", "--resume")
    assert again.returncode == 0
    assert WHY not in again.stderr


def test_evaluate_leaves_out_what_cannot_be(command_line, refused, weights, pairs, tmp_path):
    words = [
        "evaluate",
        f"--out={tmp_path / 'out'}",
        f"--config={CONFIGS / 'evaluate.py'}:small_joined,mine",
        f"--config.weights_dir={weights.parent}",
        f"--config.sources=('{pairs / 'v'}','{pairs / 'i'}')",
        "--config.metrics=('SD',)",
        "--config.gallery=1",
    ]
    refused(*words, "--config.strategies=('ttd',)", named=[WHY])
    result = command_line(*words, "--json")
    assert result.returncode == 0, result.stderr
    assert f"small_joined: its {WHY}: evaluated statically" in result.stderr
    (compared,) = json.loads(result.stdout)
    assert list(compared["strategies"]) == ["static"]
    assert compared["gains"] == {}


def test_export_is_static(command_line, weights, tmp_path):
    words = ["export", f"--weights={weights}", f"--out={tmp_path / 'x.stablehlo'}"]
    told = json.loads(command_line(*words, "--platforms=cpu", "--json").stdout)
    assert (told["strategy"], told["settings"]) == ("static", None)


def test_finetune_trains_the_static_fusion(weights, pairs, tmp_path):
    config = small_config(pairs, weights, model="small_joined")
    with pytest.raises(UserError, match=f"Joined: its {WHY}"):
        finetune(config, tmp_path / "refused")
    config.phases = config.phases[:1]
    config.phases[0].steps = 2
    config.validate_every = 2
    config.best = "static/SD"
    finetune(config, tmp_path / "run")
    validations = [record for record in records(tmp_path / "run") if "static" in record]
    assert validations
    assert not any("ttd" in record for record in validations)


def test_what_compares_weighings_is_refused(refused, weights, tmp_path):
    words = ["analyze", f"--out={tmp_path}", f"--config={CONFIGS / 'analyze.py'}:form,lytro/pairs"]
    refused(*words, "--config.model=small_joined", named=[WHY])
    words = ["benchmark", "--what=precision", "--model=small_joined", f"--weights={weights}"]
    refused(*words, f"--sources={tmp_path},{tmp_path}", named=[WHY])


def test_the_library_says_so(weights):
    model = load(weights)
    sources = np.random.default_rng(0).random((2, 8, 9, 1), np.float32)
    calls = (
        lambda: ttd_jax.dynamic_fuse(model, sources),
        lambda: ttd_jax.dynamic_fuse(model, sources, small.SETTINGS),
        lambda: ttd_jax.DynamicFusion(Joined(), small.SETTINGS).apply({}, sources),
        lambda: ttd_jax.fuse(model, list(sources)),
        lambda: model.strategy("ttd"),
        lambda: model.strategy("fused"),
        lambda: load(weights, dominability="self"),
        lambda: load(weights, dominability=small.SETTINGS),
    )
    for call in calls:
        with pytest.raises(UserError, match=WHY):
            call()
    fused = ttd_jax.fuse(model, list(sources), strategy="static")
    assert fused.image.shape == (8, 9, 1)
    assert JOINED.doable(("static", "ttd")) == ("static",)
    with pytest.raises(UserError, match=r"unknown strategy .* 'gpa'"):
        JOINED.doable(("static", "gpa"))


def test_presets_are_for_networks_that_weigh():
    with pytest.raises(UserError, match=r"separable=False: its spec must have no presets"):
        small.bound(JOINED, presets={"self": small.SETTINGS})
    with pytest.raises(UserError, match=r"separable=True: its spec must have one preset or more"):
        small.bound(presets={})
