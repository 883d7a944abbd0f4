"""A run from its start to its weights: logs, checkpoints, stops, divergence, mistakes."""

import json
import os
import resource
import shutil
import signal
import struct

import chex
import jax
import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event
from ttd_jax_configs import finetune as configs

from tests.commands.conftest import draw
from tests.training.small_run import STEPS, draw_pairs, records, small_config
from ttd_jax import registry
from ttd_jax.errors import UserError
from ttd_jax.folders import alone
from ttd_jax.networks import lookup, networks
from ttd_jax.training import finetune as finetune_lib
from ttd_jax.training import stopping, validation
from ttd_jax.training.checkpointing import Checkpoints
from ttd_jax.training.logs import Logs
from ttd_jax.training.loop import Training
from ttd_jax.training.pipeline import Pipeline
from ttd_jax.weights.store import load, read_manifest

ALL = sum(STEPS)


@pytest.fixture(scope="module")
def config(random_weights, tmp_path_factory):
    """`config(**fields)` of a small run."""
    pairs = draw_pairs(tmp_path_factory.mktemp("pairs"))
    return lambda **changes: small_config(pairs, random_weights, **changes)


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    """A run that nothing stopped."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    outcome = finetune_lib.finetune(config(), workdir)
    assert (outcome.step, outcome.reason) == (ALL, stopping.NOT)
    return workdir


def weights_of(workdir):
    return read_manifest(workdir / "ifcnn_sum")["sha256"]


def test_the_log_has_every_step_and_validation(whole):
    found = records(whole)
    trained = [r for r in found if r["kind"] == "train"]
    assert [r["step"] for r in trained] == list(range(1, ALL + 1))
    assert {"phase", "loss", "grad_norm", "learning_rate", "terms/ssim"} <= trained[0].keys()
    validated = [r for r in found if r["kind"] == "validation"]
    assert [r["step"] for r in validated] == [0, 5, 7, 10, 13]
    assert validated[0]["static"].keys() == validated[0]["ttd"].keys() == {"SD", "AG"}
    assert validated[-1]["loss"] < validated[0]["loss"]
    assert sorted(p.name for p in (whole / "sheets").iterdir()) == [
        f"step-{r['step']:08}.png" for r in validated
    ]


def test_the_event_files_hold_the_same_figures(whole):
    (path,) = (whole / "events").iterdir()
    data, events = path.read_bytes(), []
    while data:  # length u64, its checksum u32, the event, its checksum u32
        (length,) = struct.unpack("<Q", data[:8])
        events.append(Event.FromString(data[12 : 12 + length]))
        data = data[16 + length :]
    losses = {
        event.step: value.simple_value
        for event in events
        for value in event.summary.value
        if value.tag == "train/loss"
    }
    assert losses == {
        r["step"]: np.float32(r["loss"]) for r in records(whole) if r["kind"] == "train"
    }
    assert any(v.HasField("image") for event in events for v in event.summary.value)


def test_an_event_file_that_cannot_be_written_ends_the_run(tmp_path):
    logs = Logs(tmp_path, step=-1, writes=True)
    sheet = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        logs.show("sheet", 0, sheet)
        logs.show("sheet", 1, sheet)
        with pytest.raises(UserError, match="events: cannot write: the disk or quota is full"):
            logs.show("sheet", 2, sheet)  # of 12 kB
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    logs.close()


def test_the_weights_are_a_model_that_tells_how_it_was_trained(whole, config, random_weights):
    model = load(whole / "ifcnn_sum")
    start = load(random_weights)
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), model.params, start.params)
    assert all(jax.tree.leaves(changed))
    same = jax.tree.map(
        lambda a, b: bool((a == b).all()),
        model.variables["batch_stats"],
        start.variables["batch_stats"],
    )
    assert all(jax.tree.leaves(same))
    assert model.settings == lookup("ifcnn_sum").presets["fused"]
    source = read_manifest(whole / "ifcnn_sum")["source"]
    assert source["license"] == "random"  # that of the weights it began with
    assert source["training"]["step"] == ALL
    assert source["training"]["start"]["sha256"] == read_manifest(random_weights)["sha256"]
    assert source["training"]["config"]["phases"][1]["fusion"] == "ttd"


def test_the_newest_checkpoints_and_the_best_one_are_kept(whole):
    last = {r["step"]: r["loss"] for r in records(whole) if r["kind"] == "validation"}
    best = min((s for s in last if s > STEPS[0]), key=last.get)  # of the last phase
    kept = {int(p.name) for p in (whole / "checkpoints").iterdir() if p.name.isdigit()}
    assert kept == {12, 13, best}
    assert Checkpoints(whole).best == best


def test_held_back_scenes_of_many_sizes_share_programs_and_keep_their_figures(
    random_weights, tmp_path, monkeypatch
):
    sizes = [(24, 32), (31, 17), (24, 31), (24, 32), (18, 30), (24, 32)]
    for i, size in enumerate(sizes):
        draw(tmp_path / "v" / f"{i}.png", size, channels=3, seed=i)
        draw(tmp_path / "i" / f"{i}.png", size, seed=100 + i)
    found = {}
    for how, traces in (("bucket", 1), ("exact", 2)):
        changed = small_config(tmp_path, random_weights, sizes=how)  # holds back the second, fifth
        changed.phases = changed.phases[:1]
        changed.phases[0].steps = 1
        with monkeypatch.context() as patch:
            chex.clear_trace_counter()
            evaluate = chex.assert_max_traces(validation.metrics.evaluate, n=2 * traces)
            patch.setattr(validation.metrics, "evaluate", evaluate)
            finetune_lib.finetune(changed, tmp_path / how)
        assert (tmp_path / how / "sheets" / "step-00000000.png").is_file()
        first = next(r for r in records(tmp_path / how) if r["kind"] == "validation")
        found[how] = [first["loss"], *first["static"].values(), *first["ttd"].values()]
    assert found["bucket"] == pytest.approx(found["exact"], rel=1e-5)


@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGTERM, stopping.TERMINATED), (signal.SIGINT, stopping.INTERRUPTED)],
)
def test_a_signal_saves_and_resuming_gives_the_same_bits(
    number, reason, whole, config, tmp_path, monkeypatch, heard
):
    handlers = [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)]
    stop_at = 3 if number == signal.SIGTERM else STEPS[0]  # within a phase, and where one ends
    _at_batch(monkeypatch, stop_at + 1, lambda batch: os.kill(os.getpid(), number) or batch)
    outcome = finetune_lib.finetune(config(), tmp_path / "run")
    assert (outcome.reason, outcome.weights) == (reason, None)
    assert stop_at - 1 <= outcome.step <= stop_at + 1
    assert [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)] == handlers
    monkeypatch.undo()
    outcome = finetune_lib.finetune(config(), tmp_path / "run", resume=True)
    assert outcome.reason == stopping.NOT
    assert records(tmp_path / "run") == records(whole)
    assert weights_of(tmp_path / "run") == weights_of(whole)


def test_a_step_that_is_not_finite_stops_the_run_and_keeps_the_state_before_it(
    whole, config, tmp_path, monkeypatch
):
    workdir = tmp_path / "run"

    def poison(batch):
        batch["sources"][0, 0, 0, 0] = np.nan
        return batch

    _at_batch(monkeypatch, 4, poison)
    with pytest.raises(UserError, match=r"step 4: .*loss nan.*learning_rate"):
        finetune_lib.finetune(config(), workdir)
    load(workdir / "ifcnn_sum")  # refuses NaN
    assert read_manifest(workdir / "ifcnn_sum")["source"]["training"]["step"] == 3
    monkeypatch.undo()
    finetune_lib.finetune(config(), workdir, resume=True)  # what was kept is good
    assert records(workdir) == records(whole)
    assert weights_of(workdir) == weights_of(whole)


def _at_batch(monkeypatch, number, act):
    """Calls `act` on the batch of that number, counted from 1."""
    real, count = Pipeline.__next__, iter(range(1, 1000))

    def counted(pipeline):
        batch = real(pipeline)
        return act(batch) if next(count) == number else batch

    monkeypatch.setattr(Pipeline, "__next__", counted)


def test_a_run_is_not_overwritten_and_keeps_its_settings(whole, config):
    with pytest.raises(UserError, match="--resume"):
        finetune_lib.finetune(config(), whole)
    changed = config(seed=1)
    changed.phases[1].optimizer.learning_rate = 0.5
    with pytest.raises(
        UserError, match=r"config\.phases\[1\]\.optimizer\.learning_rate, config\.seed"
    ):
        finetune_lib.finetune(changed, whole, resume=True)
    again = finetune_lib.finetune(config(), whole, resume=True)
    assert again.step == ALL


@pytest.mark.parametrize("damage", ["arrays", "manifest"])
def test_weights_of_a_finished_run_are_mended_and_told_anew(damage, whole, config, tmp_path):
    workdir = shutil.copytree(whole, tmp_path / "run")
    if damage == "arrays":
        shutil.rmtree(workdir / "ifcnn_sum" / "arrays")
    else:
        (workdir / "ifcnn_sum" / "manifest.json").write_text("{")
    changes = {"note": "better", "license": "mine"}
    assert finetune_lib.finetune(config(**changes), workdir, resume=True).step == ALL
    load(workdir / "ifcnn_sum")
    assert weights_of(workdir) == weights_of(whole)
    source = read_manifest(workdir / "ifcnn_sum")["source"]
    assert {name: source[name] for name in changes} == changes
    assert records(workdir) == records(whole)


def test_a_run_is_not_gone_on_with_by_another_version_or_beside_another_run(
    whole, config, monkeypatch
):
    with alone(whole, "finetune"), pytest.raises(UserError, match="another run is writing there"):
        finetune_lib.finetune(config(), whole, resume=True)
    monkeypatch.setattr(registry, "__version__", "99")
    with pytest.raises(UserError, match=r"another versions\.ttd-jax: choose another --workdir"):
        finetune_lib.finetune(config(), whole, resume=True)


@pytest.mark.parametrize("content", [b"[1]\n", b"{}\n", b"\n", b"\xff\n", b"\0\n"])
def test_a_damaged_log_is_told(whole, config, tmp_path, content):
    workdir = shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(workdir / "checkpoints" / str(ALL))  # as if it had been killed before its end
    (workdir / "log.jsonl").write_bytes(content)
    with pytest.raises(UserError, match=r"log\.jsonl: line 1 is damaged: remove that line"):
        finetune_lib.finetune(config(), workdir, resume=True)


def test_memory_that_runs_out_is_told_with_the_mend(config, tmp_path, monkeypatch):
    def fail(*arguments):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes")

    monkeypatch.setattr(Training, "run", fail)
    with pytest.raises(UserError, match="training: out of memory: lower batch_size"):
        finetune_lib.finetune(config(), tmp_path / "run")


def test_training_begins_from_random_weights_and_the_best_checkpoint_can_be_final(config, tmp_path):
    settings = config(weights="", final="best", best="ttd/SD", validate_every=1, seed=3)
    settings.phases = settings.phases[:1]
    outcome = finetune_lib.finetune(settings, tmp_path / "run")
    validated = {
        r["step"]: r["ttd"]["SD"] for r in records(tmp_path / "run") if r["kind"] == "validation"
    }
    del validated[0]
    manifest = read_manifest(outcome.weights)
    assert manifest["source"]["training"]["step"] == max(validated, key=validated.get)
    assert "random" in manifest["source"]["license"]


MISTAKES = {
    "model": ({"model": "ifcnn_sun"}, "ifcnn_sum"),
    "weights": ({"weights": "none"}, "none"),
    "folder": ({"sources": ("none", "none")}, "none"),
    "no data": ({"datasets": (), "sources": ()}, "no data set"),
    "sets": ({"datasets": ("a", "b")}, "2"),
    "crop": ({"crop": 25}, r"config\.crop"),
    "held back": ({"held_back": 6}, r"config\.held_back=6"),
    "batch": ({"batch_size": 3, "accumulate": 2}, r"config\.batch_size=3"),
    "metric": ({"metrics": ("SSMI",)}, "SSIM"),
    "best": ({"best": "ttd/EN"}, "ttd/SD"),
    "final": ({"final": "first"}, "last, best"),
    "color": ({"color": "blue"}, "rgb"),
    "contrast": ({"least_contrast": 2.0}, "least_contrast"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_before_anything_is_written(name, config, tmp_path):
    changes, named = MISTAKES[name]
    with pytest.raises(UserError, match=named) as caught:
        finetune_lib.finetune(config(**changes), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("objective", "unsupervized", "unsupervised"),
        ("objective", "cddfuse_phase1", "IFCNN"),
        ("objective", "ifcnn", "multi_focus"),
        ("steps", 0, "steps=0"),
        ("fusion", "dynamic", "static, ttd"),
        ("optimizer.frozen", ("conv9",), "conv9.*conv4"),
        ("optimizer.method", "adamm", "adamw"),
    ],
)
def test_a_mistake_in_a_phase_is_named_with_its_number(field, value, named, config, tmp_path):
    changed = config()
    with changed.unlocked():
        changed.phases[0].update_from_flattened_dict({field: value})
    with pytest.raises(UserError, match=named) as caught:
        finetune_lib.finetune(changed, tmp_path / "run")
    if field != "objective" or value != "ifcnn":
        assert "config.phases[0]" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_the_configs_of_all_models_fit_them():
    for argument, objectives in {
        "cddfuse,msrs": ["cddfuse_phase1", "cddfuse_phase2"],
        "cddfuse_mif,harvard_medical/mri_ct": ["cddfuse_phase1", "cddfuse_phase2"],
        "piafusion,msrs": ["piafusion"],
        "ifcnn,llvip+msrs": ["unsupervised"],
        "ifcnn_max,multi_focus": ["ifcnn"],
    }.items():
        made = configs.get_config(argument)
        assert [phase.objective for phase in made.phases] == objectives
        assert made.model in networks()
        assert json.loads(made.to_json())["phases"][0]["optimizer"]["learning_rate"] == 1e-5
