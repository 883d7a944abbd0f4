"""What programs need of a TPU pod, told without one."""

import importlib.util
import json
import sys
import types

import jax
import pytest

from ttd_jax.benchmarks import compiler, plan
from ttd_jax.benchmarks.cases import Case
from ttd_jax.benchmarks.chips import CHIPS, Chip, chip_of, estimate
from ttd_jax.errors import UserError

CHIP = Chip(memory=16_000, bandwidth=100.0, products=600.0)
FOUND = {
    "memory": {"arguments": 3000, "outputs": 500, "temporaries": 1500, "weights": 1000},
    "bytes_accessed": 400.0,
    "operations": 300.0,
}


def case(strategy="ttd", size=(16, 16)):
    return Case(
        model="ifcnn_sum",
        size=size,
        strategy=strategy,
        batch=2,
        precision="highest",
        settings={"loss": "fused"},
    )


@pytest.mark.parametrize(
    ("precision", "products"),
    [("highest", 3.0), ("high", 1.5), ("default", 0.5), ("bfloat16", 0.5)],
)
def test_a_roofline_is_the_longer_of_memory_and_products(precision, products):
    found = estimate(FOUND, CHIP, chips=8, batch=2, precision=precision)
    assert found == {
        "seconds_of_memory": 4.0,
        "seconds_of_products": products,
        "seconds": 4.0,
        "scenes_held": 7,  # 15,000 bytes: 1,000 of weights and 2,000 a scene
        "scenes_per_hour": 3600 * 8 * 2 / 4.0,
    }
    busy = {**FOUND, "operations": 3000.0}
    assert estimate(busy, CHIP, chips=1, batch=1, precision="highest")["seconds"] == 30.0


@pytest.mark.parametrize(
    ("topology", "named"),
    [
        *((wrong, "v5e:4x4") for wrong in ("v5e", "v5e:", "v5e:4x", "v5e:0x4", "v5e:٤")),
        ("v3:2x2", "v4, v5e, v5p"),
    ],
)
def test_a_topology_is_a_known_chip_and_its_arrangement(topology, named):
    with pytest.raises(UserError, match=named):
        chip_of(topology)
    assert chip_of("v5p:2x2x1") is CHIPS["v5p"]


def test_a_network_is_evaluated_once_a_size_and_trained_once():
    cases = [case(s, size) for size in ((16, 16), (20, 24)) for s in ("static", "ttd")]
    names = [plan.program_name(*chosen) for chosen in plan.choose_programs(cases, plan.PROGRAMS)]
    assert sorted(names) == [
        "ifcnn_sum evaluate 16x16 x2",
        "ifcnn_sum evaluate 20x24 x2",
        "ifcnn_sum finetune 128x128 x2",
        "ifcnn_sum static 16x16 x2",
        "ifcnn_sum static 20x24 x2",
        "ifcnn_sum ttd 16x16 x2",
        "ifcnn_sum ttd 20x24 x2",
    ]
    (only,) = plan.choose_programs(cases[:1], ["fuse"])
    assert plan.program_name(*only) == "ifcnn_sum static 16x16 x2"


@pytest.mark.parametrize("program", plan.PROGRAMS)
def test_the_jobs_programs_are_compiled(program, quick_compilation, monkeypatch):
    """For this machine's CPU in place of a chip."""
    there = types.SimpleNamespace(devices=jax.devices("cpu")[:1])
    monkeypatch.setattr(compiler.topologies, "get_topology_desc", lambda *given, **options: there)
    few = types.SimpleNamespace(choose=lambda names: ("EN", "SSIM"))
    monkeypatch.setattr(compiler, "metrics", few)
    task = {"topology": "v5e:1x1", "options": {}, "program": program, "case": vars(case())}
    found = compiler.compile_task(task)
    assert found["chips"] == 1
    memory, weights = found["memory"], 80_000 * 4 if program != "finetune" else 0
    assert memory["arguments"] > memory["weights"] >= weights
    assert found["operations"] > 2 * 49 * 3 * 64 * 16 * 16  # of a source's first convolution
    assert found["bytes_accessed"] > memory["arguments"]
    assert estimate(found, CHIPS["v5e"], chips=1, batch=2, precision="high")["scenes_held"] > 1000


def test_what_does_not_fit_is_told_and_ends_nothing(monkeypatch):
    fits, refused = {"compile_seconds": 9.0, **FOUND}, {"refused": "of HBM"}
    told = iter([{"chips": 4, **one} for one in (fits, refused, refused)])
    monkeypatch.setattr(plan, "run_apart", lambda *given, **options: next(told))
    monkeypatch.setitem(sys.modules, "libtpu", types.ModuleType("libtpu"))
    found = plan.plan_programs([("fuse", case("static")), ("evaluate", case())], "v5e:2x2")
    assert [one["name"] for one in found["programs"]] == [
        "ifcnn_sum static 16x16 x2",
        "ifcnn_sum evaluate 16x16",  # of one scene in place of two
    ]
    assert found["chips"] == 4
    lines = plan.markdown({**found, "precision": "highest"}).splitlines()
    assert any(line.startswith("| ifcnn_sum evaluate 16x16 ") for line in lines)
    assert lines[-1] == "ifcnn_sum evaluate 16x16: of HBM"
    monkeypatch.setattr(plan, "run_apart", lambda *given, **options: {"refused": "no such"})
    with pytest.raises(UserError, match="--topology=v5e:3x3: libtpu refuses it: no such"):
        plan.plan_programs([("fuse", case())], "v5e:3x3")


def test_without_libtpu_its_extra_is_named(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "libtpu", None)
    words = ("benchmark", "--what=plan", "--topology=v5e:4x4")
    assert "libtpu: pip install 'ttd-jax[tpu-plan]'" in refused(*words)
    refused(*words, "--model=", named=["--model is empty"])
    refused(*words, "--repeats=2", named=["--repeats", "--what=plan does not take it"])


# Not among the packages of the tests: its wheel has 130 MB, unpacked half a gigabyte.
@pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="libtpu is not installed")
def test_a_pod_is_compiled_for_without_one(command_line):
    words = ["benchmark", "--what=plan", "--topology=v5e:16x16", "--size=16x16", "--batch=1"]
    result = command_line(*words, "--program=fuse,finetune", "--strategy=static", "--json")
    assert result.returncode == 0, result.stderr
    content = json.loads(result.stdout)
    assert content["chips"] == 256
    for program in content["programs"]:
        assert program["compile_seconds"] > 0
        assert program["scenes_per_hour"] == pytest.approx(256 * 3600 / program["seconds"])
