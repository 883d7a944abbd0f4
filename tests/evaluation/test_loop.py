"""The loop of an evaluation: programs, units, the devices' own sums."""

import chex
import numpy as np
import pytest

from tests.commands.conftest import draw
from tests.random_models import random_model
from ttd_jax.evaluation import program
from ttd_jax.evaluation.loop import Evaluation, evaluate_dataset
from ttd_jax.evaluation.records import Records
from ttd_jax.evaluation.units import plan_units
from ttd_jax.networks import lookup
from ttd_jax.pictures.examples import folder_examples
from ttd_jax.pictures.scenes import find_scenes


@pytest.fixture
def examples(tmp_path):
    """Seven scenes of two shapes."""
    for i in range(7):
        size = (24, 32) if i % 2 else (17, 23)
        draw(tmp_path / "v" / f"{i}.png", size, seed=i)
        draw(tmp_path / "i" / f"{i}.png", size, seed=10 + i)
    return folder_examples(find_scenes([tmp_path / "v", tmp_path / "i"]), ("v", "i"))


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


def test_a_shape_is_compiled_once_and_means_are_those_of_the_records(
    examples, tmp_path, monkeypatch
):
    chex.clear_trace_counter()
    counted = chex.assert_max_traces(program.score_scene, n=2)  # one for each of the two shapes
    monkeypatch.setattr(program, "score_scene", counted)
    records = Records(tmp_path / "out", 0)
    records.start({}, resume=False, first=True)
    result = evaluate_dataset(job(), "x", examples, records)
    assert (result["scored"], result["reused"]) == (7, 0)
    found = records.finished()
    assert sorted(image for _, image in found) == [str(i) for i in range(7)]
    for strategy in ("static", "ttd"):
        for name in ("SD", "MSE"):
            mean = np.mean([r["scores"][strategy][name] for r in found.values()])
            assert result["means"][strategy][name] == pytest.approx(mean, rel=1e-5)


def test_processes_share_the_units_and_none_is_left_out(examples, tmp_path):
    units = plan_units(examples, gray=True, batch_size=2)
    assert sorted(i for unit in units for i in unit.indices) == list(range(7))
    assert all(len({examples[i].name for i in u.indices}) <= u.capacity for u in units)
    for process in range(2):
        records = Records(tmp_path / "out", process)
        records.start({}, resume=False, first=process == 0)
        evaluate_dataset(job(), "x", examples, records, process=process, processes=2)
    assert len(records.finished()) == 7
    lines = [p.read_text().count("\n") for p in (tmp_path / "out" / "records").iterdir()]
    assert sorted(lines) == [3, 4]


def test_processes_that_can_add_decode_only_their_part(examples):
    class Counted:
        def __init__(self):
            self.read = []
            self.names = examples.names

        def __len__(self):
            return len(examples)

        def __getitem__(self, index):
            self.read.append(index)
            return examples[index]

    tables, counted = [], Counted()

    class PassedOn(Exception):  # noqa: N818
        pass

    def hand_over(table):
        tables.append(table)
        raise PassedOn

    for process in range(2):
        with pytest.raises(PassedOn):
            plan_units(counted, gray=True, share=(process, 2, hand_over))
    assert sorted(counted.read) == sorted([*range(7), 0, 0])  # the first also tells the roles
    expected = plan_units(examples, gray=True)
    assert (
        plan_units(examples, gray=True, share=(0, 2, lambda t: tables[0] + tables[1])) == expected
    )
