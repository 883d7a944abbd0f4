"""`ttd-jax benchmark`: that it measures, not how fast anything is."""

import json
import pathlib

import pytest
from absl import flags

from ttd_jax.benchmarks.timing import interleave
from ttd_jax.commands import benchmark
from ttd_jax.errors import UserError

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
FILES = {"benchmark.json", "benchmark.md", "roofline.png"}


def test_functions_run_in_turn_and_the_last_is_the_yardstick():
    calls = []
    result = interleave({n: lambda n=n: calls.append(n) for n in "ab"}, repeats=3)
    assert calls == ["a", "b"] * 4
    assert result["ratios"]["b"] == 1
    assert set(result["seconds"]["a"]) == {"median", "least", "most"}


def test_metrics_are_timed_against_their_reference(command_line):
    words = ["--what=metrics", "--size=40x50", "--repeats=1", f"--checkout={CHECKOUT}", "--json"]
    result = command_line("benchmark", *words)
    assert result.returncode == 0, result.stderr
    content = json.loads(result.stdout)
    assert set(content["seconds"]) == {"jax", "separable", "reference"}
    assert content["size"] == [40, 50]


def test_fusion_is_timed_beside_torch_which_gives_the_same_picture(torch, command_line, tmp_path):
    words = ["--what=fusion", "--model=ifcnn_sum", "--size=24x31", "--strategy=ttd", "--repeats=1"]
    places = [f"--checkout={CHECKOUT}", f"--out={tmp_path / 'out'}"]
    result = command_line("benchmark", *words, "--peer=torch", *places, "--json")
    assert result.returncode == 0, result.stderr
    content = json.loads(result.stdout)
    (case,) = content["cases"]
    assert (case["size"], case["strategy"], case["batch"]) == ([24, 31], "ttd", 1)
    assert case["settings"]["loss"] == "fused"
    # Two sources encoded; two pictures, static and dynamic, decoded.
    products = 2 * (49 * 3 * 64 + 9 * 64 * 64) + 2 * (9 * 64 * 64 + 64 * 3)
    assert case["flops"] > 0.9 * 2 * products * 24 * 31  # the borders of a picture need fewer
    for side in (case, case["torch"]):
        assert 0 < side["seconds"]["least"] <= side["seconds"]["median"] <= side["seconds"]["most"]
        assert side["scenes_per_second"] == 1 / side["seconds"]["median"]
        assert side["peak"]["peak"] > 0
    assert case["torch"]["difference"] < 1e-5
    assert case["torch"]["time_ratio"] > 0
    assert content["dynamic_over_static"] == []
    assert set(content["versions"]) == {"ttd-jax", "jax", "torch"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert json.loads((tmp_path / "out/benchmark.json").read_text()) == content
    assert "ifcnn_sum ttd 24x31" in (tmp_path / "out/benchmark.md").read_text()
    assert (tmp_path / "out/roofline.png").read_bytes().startswith(b"\x89PNG")


def test_mistakes_are_told(refused, tmp_path):
    refused("benchmark", f"--checkout={tmp_path}", named=[tmp_path, "--checkout"])


def _run(*words):
    values = flags.FlagValues()
    benchmark.define_flags(values)
    arguments = values(["benchmark", *words])[1:]
    benchmark.run(values, arguments)


_FUSION = ("--what=fusion", "--model=piafusion")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--size=big"], ["big", "480x640"]),
        (["--size=0x5"], ["0x5", "positive"]),
        (["--size=8x8,9x9"], ["8x8,9x9", "one size"]),
        (["--model=piafusion"], ["--model", "--what=metrics"]),
        (["--what=fusion"], ["--model is missing"]),
        (["--what=precision", "--model=ifcnn_sum", "--weights=w"], ["--sources is missing"]),
        (["--what=fusion", "--model=ifcn_sum"], ["ifcn_sum", "'ifcnn_sum'"]),
        ([*_FUSION, "--size=256x1"], ["256x1", "piafusion", "2x2"]),
        ([*_FUSION, "--strategy=static,dynamic"], ["dynamic", "ttd"]),
        ([*_FUSION, "--dominability=best"], ["best", "self, fused, intensity"]),
        ([*_FUSION, "--weights=nowhere"], ["nowhere", "convert"]),
        (
            ["--what=fusion", "--model=piafusion,ifcnn_sum", "--weights=w"],
            ["--weights=w", "one model"],
        ),
        ([*_FUSION, "--peer=torch", "--checkout=nowhere"], ["nowhere", "--checkout"]),
        ([*_FUSION, "extra"], ["extra"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_each_mistake_names_its_flag(words, named):
    with pytest.raises(UserError) as raised:
        _run(*words)
    for word in named:
        assert word in str(raised.value)


def test_results_are_not_replaced_unasked(tmp_path):
    (tmp_path / "benchmark.md").write_text("old")
    with pytest.raises(UserError, match="--overwrite"):
        _run(*_FUSION, f"--out={tmp_path}")
    assert (tmp_path / "benchmark.md").read_text() == "old"


def test_an_output_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        _run(*_FUSION, f"--out={tmp_path / 'out'}")
