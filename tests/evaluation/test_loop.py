"""The loop of an evaluation: programs, batches, records."""

import chex
import pytest

from tests.commands.conftest import draw
from tests.random_models import random_model
from ttd_jax.evaluation import program
from ttd_jax.evaluation.loop import Evaluation, evaluate_dataset
from ttd_jax.networks import lookup
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


def job():
    row = lookup("ifcnn_sum")
    return Evaluation(
        model=random_model("ifcnn_sum"),
        strategies={"static": None, "ttd": row.presets["fused"]},
        color="network",
        protocol="paper",
        names=("SD", "MSE"),
        batch_size=2,
    )


def test_a_shape_is_compiled_once_and_every_scene_has_a_record(examples, tmp_path, monkeypatch):
    chex.clear_trace_counter()
    counted = chex.assert_max_traces(program.score_scene, n=2)  # one for each of the two shapes
    monkeypatch.setattr(program, "score_scene", counted)
    records = Records(tmp_path / "out")
    records.open({})
    result = evaluate_dataset(job(), "x", check(examples, gray=True), records)
    assert (result["scored"], result["reused"]) == (7, 0)
    found = records.finished()
    assert sorted(image for _, image, *_ in found) == [str(i) for i in range(7)]
    for record in found.values():
        assert list(record["scores"]) == ["static", "ttd"]
        assert all(list(scores) == ["SD", "MSE"] for scores in record["scores"].values())


def test_processes_share_the_batches_and_none_is_left_out(examples, tmp_path):
    scenes = check(examples, gray=True)
    for process in range(2):
        records = Records(tmp_path / "out", process=process)
        records.open({}, first=process == 0)
        evaluate_dataset(job(), "x", scenes, records, process=process, processes=2)
    assert len(records.finished()) == 7
    lines = [p.read_text().count("\n") for p in (tmp_path / "out" / "records").glob("*.jsonl")]
    assert sorted(lines) == [3, 4]


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
