"""The loop of an evaluation: programs, batches, records."""

import collections
import dataclasses
import itertools
import json
import time

import chex
import jax
import numpy as np
import pytest

from tests.commands.conftest import draw
from tests.random_models import random_model
from tests.small_networks import IN_PARTS, SETTINGS, bound, registered, untried
from ttd_jax import metrics
from ttd_jax.core.quantization import quantize
from ttd_jax.errors import UserError
from ttd_jax.evaluation import loop, program
from ttd_jax.evaluation.loop import Evaluation, evaluate_dataset
from ttd_jax.networks import fuse_pictures, lookup
from ttd_jax.pictures import checking
from ttd_jax.pictures.checking import check
from ttd_jax.pictures.records import Records
from ttd_jax.pictures.scenes import find_scenes


@pytest.fixture
def examples(tmp_path):
    """Seven scenes of two shapes."""
    for i in range(7):
        size = (24, 32) if i % 2 else (17, 23)
        draw(tmp_path / "v" / f"{i}.png", size, seed=i)
        draw(tmp_path / "i" / f"{i}.png", size, seed=10 + i)
    return find_scenes([tmp_path / "v", tmp_path / "i"], ("v", "i"))


def job(**options):
    row = lookup("ifcnn_sum")
    return Evaluation(
        model=random_model("ifcnn_sum"),
        strategies={"static": None, "ttd": row.presets["fused"]},
        color="network",
        protocol="paper",
        names=("SD", "MSE"),
        **{"batch_size": 2, **options},
    )


def count_traces(monkeypatch, most):
    chex.clear_trace_counter()
    counted = chex.assert_max_traces(program.score_scene, n=most)
    monkeypatch.setattr(program, "score_scene", counted)


def test_a_shape_is_compiled_once_and_every_scene_has_a_record(examples, tmp_path, monkeypatch):
    count_traces(monkeypatch, 2)  # one for each of the two shapes
    records = Records(tmp_path / "out")
    records.open({})
    result = evaluate_dataset(job(sizes="exact"), "x", check(examples, gray=True), records)
    assert (result["scored"], result["reused"]) == (7, 0)
    found = records.finished()
    assert sorted(image for _, image, *_ in found) == [str(i) for i in range(7)]
    for record in found.values():
        assert list(record["scores"]) == ["static", "ttd"]
        assert all(list(scores) == ["SD", "MSE"] for scores in record["scores"].values())


def test_a_device_takes_as_many_scenes_as_its_memory_holds(examples, tmp_path, monkeypatch):
    plans, shapes = [], set()
    plan_program, device_program = loop.plan_program, loop.device_program

    def spy_plans(compiling):
        found = plan_program(compiling)
        plans.append(found[1])
        return found

    def spy_shapes(*arguments, **options):
        program = device_program(*arguments, **options)

        def run(model, scenes):
            shapes.add(scenes[1].shape[1:3])
            return program(model, scenes)

        run.lower = program.lower
        return run

    monkeypatch.setattr(loop, "plan_program", spy_plans)
    monkeypatch.setattr(loop, "device_program", spy_shapes)

    def evaluate(name, memory, batch_size=0):
        shapes.clear()
        records = Records(tmp_path / name)
        records.open({})
        what = job(batch_size=batch_size)  # one bucket of seven scenes
        evaluate_dataset(what, "x", check(examples, gray=True), records, memory=memory)
        return records.finished()

    with monkeypatch.context() as patch:
        count_traces(patch, 1)  # the program of the plan is the one that is run
        much = evaluate("much", 2**40)
    assert shapes == {(7, 2)}
    memory = plans[0] - (plans[0] - loop.held_bytes(job().model)) // 3
    found = evaluate("some", memory)
    ((scenes, _),) = shapes
    assert 1 < scenes < 7
    assert plans[-1] <= memory
    for key, record in much.items():
        for strategy, scores in record["scores"].items():
            assert scores == pytest.approx(found[key]["scores"][strategy], rel=1e-5)
    del plans[:]
    assert evaluate("some", memory).keys() == found.keys()  # resumed: nothing is compiled
    assert evaluate("two", memory, batch_size=2).keys() == found.keys()
    assert shapes == {(2, 2)}
    assert not plans


def test_memory_that_runs_out_is_told_with_the_mend(examples, tmp_path, monkeypatch):
    def fail(*arguments):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes")

    monkeypatch.setattr(loop, "device_program", lambda *arguments, **options: fail)
    records = Records(tmp_path / "out")
    records.open({})
    with pytest.raises(UserError, match=r"x: out of memory: .*--config\.batch_size"):
        evaluate_dataset(job(), "x", check(examples, gray=True), records)


def test_processes_share_the_batches_and_none_is_left_out(examples, tmp_path):
    scenes = check(examples, gray=True)
    for process in range(2):
        records = Records(tmp_path / "out", process=process)
        records.open({}, first=process == 0)
        evaluate_dataset(job(), "x", scenes, records, process=process, processes=2)
    assert len(records.finished()) == 7
    lines = [p.read_text().count("\n") for p in (tmp_path / "out" / "records").glob("*.jsonl")]
    assert sorted(lines) == [3, 4]


def test_a_process_decodes_no_picture_of_another_one_s_share(examples, tmp_path, monkeypatch):
    decoded, decode = collections.defaultdict(list), checking.decode_example
    monkeypatch.setattr(checking, "_KEPT", 0)
    monkeypatch.setattr(
        checking,
        "decode_example",
        lambda example, how: decoded[process].append(example.name) or decode(example, how),
    )
    every = {}

    def collect(texts):
        every.update(texts)
        return dict.fromkeys(range(7), next(iter(texts.values())))

    for process in range(4):
        check(examples, gray=True, share=(process, 4), gather=collect)
    shares = {process: sorted(names) for process, names in decoded.items()}
    assert shares == {0: ["0", "4"], 1: ["1", "5"], 2: ["2", "6"], 3: ["3"]}
    scenes = check(examples, share=(3, 4), gather=lambda _: every)
    decoded.clear()
    for process in range(4):
        records = Records(tmp_path / "out", process=process)
        records.open({}, first=process == 0)
        evaluate_dataset(job(), "x", scenes, records, process=process, processes=4)
        mine = tmp_path / "out" / "records" / f"process-{process:05}.jsonl"
        scored = [json.loads(line)["image"] for line in mine.read_text().splitlines()]
        assert sorted(decoded[process]) == sorted(scored)
    assert sorted(itertools.chain(*decoded.values())) == [str(i) for i in range(7)]


def test_scenes_of_a_batch_are_decoded_by_all_cores(examples, tmp_path, monkeypatch):
    scenes, inputs, running, most = check(examples), loop._inputs, set(), []

    def slowly(scenes, index, *options):
        running.add(index)
        most.append(len(running))
        time.sleep(0.2)
        running.remove(index)
        return inputs(scenes, index, *options)

    monkeypatch.setattr(loop, "_inputs", slowly)
    monkeypatch.setattr(loop, "usable_cpus", lambda: 3)
    records = Records(tmp_path / "out")
    records.open({})
    evaluate_dataset(job(), "x", scenes, records)
    assert max(most) == 3


def test_a_changed_picture_is_scored_again_and_the_others_are_not(examples, tmp_path):
    first = Records(tmp_path / "out")
    first.open({})
    evaluate_dataset(job(), "x", check(examples, gray=True), first)
    before = first.finished()
    draw(tmp_path / "i" / "3.png", (24, 32), seed=77)
    scenes = check(examples, gray=True)
    again = Records(tmp_path / "out")
    again.open({})
    result = evaluate_dataset(job(), "x", scenes, again)
    assert (result["scored"], result["reused"]) == (1, 6)
    fresh = Records(tmp_path / "fresh")
    fresh.open({})
    evaluate_dataset(job(), "x", scenes, fresh)
    found, keys = again.finished(), [("x", *key) for key in scenes.keys]
    assert [found[key] for key in keys] == [fresh.finished()[key] for key in keys]
    assert [key in before for key in keys] == [index != 3 for index in range(7)]


def test_pictures_of_many_sizes_share_a_program_and_keep_their_scores(tmp_path, monkeypatch):
    sizes = [(24, 32), (17, 23), (31, 5), (12, 30), (25, 25), (32, 32)]
    for i, size in enumerate(sizes):
        draw(tmp_path / "v" / f"{i}.png", size, seed=i)
        draw(tmp_path / "i" / f"{i}.png", size, seed=10 + i)
    scenes = check(find_scenes([tmp_path / "v", tmp_path / "i"], ("v", "i")), gray=True)
    found = {}
    for how, traces in (("bucket", 1), ("exact", len(sizes))):
        with monkeypatch.context() as patch:
            count_traces(patch, traces)
            records = Records(tmp_path / how)
            records.open({})
            evaluate_dataset(job(sizes=how), "x", scenes, records)
            found[how] = records.finished()
    assert found["bucket"].keys() == found["exact"].keys()
    for key, record in found["bucket"].items():
        for strategy, scores in record["scores"].items():
            assert scores == pytest.approx(found["exact"][key]["scores"][strategy], rel=1e-5)


def test_plug_in_metrics_and_losses_that_know_no_extent_are_given_exact_sizes():
    assert not job().exact
    assert job(sizes="exact").exact
    with registered():
        takes_none = lambda fused, sources: 0.0  # noqa: E731
        metrics.register_metric(
            dataclasses.replace(metrics.METRICS["SD"], name="one", function=takes_none)
        )
        assert dataclasses.replace(job(), names=("SD", "one")).exact


def test_pixels_that_a_source_lacks_are_not_judged(tmp_path, monkeypatch):
    untried(monkeypatch)
    sizes, gone = [(24, 32), (21, 27)], 6
    for i, size in enumerate(sizes):
        draw(tmp_path / "v" / f"{i}.png", size, seed=i)
        draw(tmp_path / "i" / f"{i}.png", size, seed=10 + i)
    scenes = check(find_scenes([tmp_path / "v", tmp_path / "i"], ("v", "i")), gray=True)
    masks, kept = [], {}
    for index, (example, (visible, infrared)) in scenes.kept.items():
        masks.append(np.ones((2, *sizes[index]), bool))
        masks[-1][0, :gone] = False
        visible = dataclasses.replace(visible, has_data=masks[-1][0])
        kept[index] = example, [visible, infrared]
    checked = tuple(dataclasses.replace(one, masked=True) for one in scenes.checked)
    masked = dataclasses.replace(scenes, checked=checked, kept=kept)

    what = dataclasses.replace(job(), model=bound(IN_PARTS), strategies={"ttd": SETTINGS})
    records = Records(tmp_path / "out")
    records.open({})
    evaluate_dataset(what, "x", masked, records)
    found = {image: record["scores"] for (_, image, *_), record in records.finished().items()}
    fuse = jax.jit(fuse_pictures, static_argnums=2, static_argnames="mode")
    for index, mask in enumerate(masks):
        _, pictures = scenes.load(index)
        given = [picture.as_float() for picture in scenes.given(pictures)]
        planes = metrics.source_planes([p.as_bytes() for p in pictures], gray=True)
        fused = fuse(what.model, given, SETTINGS, mode="network", has_data=mask).image
        judged = metrics.fused_planes(quantize(fused, how=what.model.spec.quantize))
        scores = metrics.evaluate(judged, planes, names=what.names, mask=mask.all(axis=0))
        own = found[str(index)]["ttd"]
        assert own == pytest.approx({name: float(s) for name, s in scores.items()}, rel=1e-4)
        cut = metrics.evaluate(judged[gone:], planes[:, gone:], names=["MSE"])
        assert own["MSE"] == pytest.approx(float(cut["MSE"]), rel=1e-4)
