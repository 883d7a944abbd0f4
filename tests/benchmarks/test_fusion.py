"""What a benchmark of the fusion networks makes of its measurements."""

import re
import subprocess

import numpy as np
import pytest

from ttd_jax.benchmarks import apart, fusion, memory, roofs
from ttd_jax.benchmarks.report import markdown
from ttd_jax.benchmarks.roofline import roofline
from ttd_jax.benchmarks.timing import Rounds
from ttd_jax.errors import UserError

MATMUL = [0.1, 0.2, 0.4]  # seconds of a machine that slows down
FLOPS = roofs.matmul_rate(1.0)  # a case with as many operations as the matrix product


def _record(strategy, *, flops=FLOPS, peer=True):
    record = {
        "name": f"ifcnn_sum {strategy} 20x30",
        "model": "ifcnn_sum",
        "size": [20, 30],
        "strategy": strategy,
        "batch": 2,
        "settings": None,
        "compile_seconds": {"lower": 0.1, "compile": 1.0},
        "flops": flops,
        "intensity": flops and 10.0,
        "memory": {"arguments": 10, "outputs": 20, "temporaries": None},
        "peak": {"baseline": 100, "peak": 50, "device_peak": None},
        "peers": {},
    }
    if peer:
        found = {
            "first_seconds": 9.0,
            "difference": 1e-7,
            "peak": {"baseline": 90, "peak": 100},
        }
        record["peers"] = {"torch": found, "torch-compile": found}
    return record


def _result(*records, load=0.5):
    wall = {"matmul": MATMUL, "stream": [1.0, 1.0, 1.0]}
    for factor, record in enumerate(records, start=2):
        wall[f"{record['name']} jax"] = [factor * t for t in MATMUL]
        wall[f"{record['name']} torch"] = [4 * factor * t for t in MATMUL]
        wall[f"{record['name']} torch-compile"] = [2 * factor * t for t in MATMUL]
    cpu = {name: [2.0 if "torch" in name else 1.0] for name in wall}
    found = fusion.assemble(records, Rounds(wall, cpu))
    head = {
        "device": "test",
        "cpus": 2,
        "load": load,
        "repeats": 3,
        "precision": "highest",
        "weights": "random",
    }
    return {**head, "versions": {"jax": "1"}, **found}


def test_ratios_and_shares_are_of_the_same_round():
    result = _result(_record("static"), _record("ttd", flops=2 * FLOPS))
    static, dynamic = result["cases"]
    assert static["share_of_matmul_peak"] == pytest.approx(1 / 2)
    assert dynamic["share_of_matmul_peak"] == pytest.approx(2 / 3)
    eager, compiled = static["peers"]["torch"], static["peers"]["torch-compile"]
    assert eager["share_of_matmul_peak"] == pytest.approx(1 / 8)
    assert eager["time_ratio"] == pytest.approx(1 / 4)
    assert eager["memory_ratio"] == 0.5
    assert eager["cpu_ratio"] == 0.5
    assert compiled["time_ratio"] == pytest.approx(1 / 2)
    assert compiled["compile_seconds"] == pytest.approx(9 - 2 * 2 * 0.2)
    (ratio,) = result["dynamic_over_static"]
    assert ratio["time_ratio"] == pytest.approx(3 / 2)
    assert ratio["peer_time_ratios"] == pytest.approx({"torch": 3 / 2, "torch-compile": 3 / 2})
    assert ratio["flops_ratio"] == 2


def test_throughput_counts_every_scene_of_a_batch():
    (case,) = _result(_record("static"))["cases"]
    assert case["seconds"] == {"median": 0.4, "least": 0.2, "most": 0.8}
    assert case["scenes_per_second"] == pytest.approx(5)
    assert case["megapixels_per_second"] == pytest.approx(5 * 600 / 1e6)


@pytest.mark.parametrize(("flops", "peer"), [(FLOPS, True), (None, False)])
def test_tables_and_plot_do_without_what_a_platform_does_not_tell(flops, peer):
    result = _result(_record("static", flops=flops, peer=peer), _record("ttd", peer=peer))
    tables = [line for line in markdown(result).splitlines() if line.startswith("|")]
    rules = sum(bool(re.fullmatch(r"[|\-: ]+", line)) for line in tables)
    assert rules == (4 if peer else 3)  # one a table
    assert len({line.count("|") for line in tables[:4]}) == 1
    assert any("torch-compile" in line for line in tables) == peer
    assert roofline(result).startswith(b"\x89PNG")


def test_a_busy_machine_is_told():
    assert "busy" not in markdown(_result(_record("ttd")))
    assert "load 7.0 on 2 CPUs" in markdown(_result(_record("ttd"), load=7.0))


def test_peak_is_above_the_baseline_and_forgets_what_went_before():
    size = 2**23  # floats: 64 MiB
    np.ones(3 * size)
    peak = memory.measure_peak(lambda: np.ones(size))["peak"]
    assert 0.9 < peak / (8 * size) < 1.5


def test_a_killed_measurement_is_told(monkeypatch):
    killed = subprocess.CompletedProcess([], -9, "", "")
    monkeypatch.setattr(apart.subprocess, "run", lambda *_, **__: killed)
    with pytest.raises(UserError, match=r"killed \(signal 9\).* smaller --size"):
        memory.measure_apart({}, cache="")


def test_a_peer_that_does_something_else_is_not_timed():
    case = _case()
    image = np.zeros((20, 30, 3), np.float32)

    def torch_like(value):
        return lambda: (_Tensor(np.full((1, 3, 20, 30), value, np.float32)), None)

    assert fusion.compare(case, lambda: (image,), torch_like(0.0)) == 0
    for wrong in (0.01, np.nan):
        with pytest.raises(UserError, match="differs from torch's"):
            fusion.compare(case, lambda: (image,), torch_like(wrong))


class _Tensor:
    def __init__(self, array):
        self.cpu = lambda: self
        self.numpy = lambda: array


def _case():
    return fusion.Case(
        model="ifcnn_sum",
        size=(20, 30),
        strategy="ttd",
        batch=1,
        precision="highest",
        settings={},
    )
