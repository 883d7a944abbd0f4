"""`ttd-jax benchmark`: that it measures, not how fast anything is."""

import json
import os
import sys

import pytest
from absl import flags

from ttd_jax import metrics
from ttd_jax.benchmarks.timing import interleave
from ttd_jax.commands import benchmark
from ttd_jax.errors import UserError

FILES = {"benchmark.json", "benchmark.md", "roofline.png"}


def test_functions_run_in_turn_and_the_last_is_the_yardstick():
    calls = []
    result = interleave({n: lambda n=n: calls.append(n) for n in "ab"}, repeats=3)
    assert calls == ["a", "b"] * 4
    assert result["ratios"]["b"] == 1
    assert set(result["seconds"]["a"]) == {"median", "least", "most"}


@pytest.mark.parametrize("size", [(40, 50), (1, 1)])
def test_metrics_are_timed_against_their_reference(command_line, size):
    words = ["--what=metrics", "--size={}x{}".format(*size), "--repeats=1", "--json"]
    result = command_line("benchmark", *words)
    assert result.returncode == 0, result.stderr
    content = json.loads(result.stdout)
    assert set(content["seconds"]) == {"jax", "separable", "reference"}
    assert set(content["each"]) == set(metrics.CORE)
    for one in content["each"].values():
        assert one["bytes"] > 0
        assert one["ratios"]["reference"] == 1
    assert content["size"] == list(size)


def test_fusion_is_timed_beside_torch_which_gives_the_same_picture(torch, command_line, tmp_path):
    words = ["--what=fusion", "--model=ifcnn_sum", "--size=24x31", "--strategy=ttd", "--repeats=1"]
    words += ["--peer=torch", f"--out={tmp_path / 'out'}", "--json"]
    result = command_line("benchmark", *words, process=True)  # which caches programs elsewhere
    assert result.returncode == 0, result.stderr
    content = json.loads(result.stdout)
    (case,) = content["cases"]
    assert (case["size"], case["strategy"], case["batch"]) == ([24, 31], "ttd", 1)
    assert case["settings"]["loss"] == "fused"
    # Two sources encoded; two pictures, static and dynamic, decoded.
    products = 2 * (49 * 3 * 64 + 9 * 64 * 64) + 2 * (9 * 64 * 64 + 64 * 3)
    assert case["flops"] > 0.9 * 2 * products * 24 * 31  # the borders of a picture need fewer
    peer = case["peers"]["torch"]
    for side in (case, peer):
        assert 0 < side["seconds"]["least"] <= side["seconds"]["median"] <= side["seconds"]["most"]
        assert side["scenes_per_second"] == 1 / side["seconds"]["median"]
        assert side["peak"]["peak"] > 0
    assert peer["difference"] < 1e-5
    assert peer["time_ratio"] > 0
    assert peer["first_seconds"] >= peer["compile_seconds"] >= 0
    assert content["dynamic_over_static"] == []
    assert set(content["versions"]) == {"ttd-jax", "jax", "torch"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert json.loads((tmp_path / "out/benchmark.json").read_text()) == content
    assert "ifcnn_sum ttd 24x31" in (tmp_path / "out/benchmark.md").read_text()
    assert (tmp_path / "out/roofline.png").read_bytes().startswith(b"\x89PNG")


# A network that another package brings: no layout of checkpoints, no twin in torch.
PLUGIN = """
from ttd_jax.networks import FusionSpec, Network, register_network

class Mean(Network):
    def encode(self, x):
        return x

    def merge(self, features, weights):
        return (weights[..., None] * features).mean(axis=0)

    def decode(self, latent, x):
        return latent

register_network(FusionSpec(name="plugged_mean", build=Mean, channels=1))
"""


@pytest.fixture(scope="module")
def plugged(tmp_path_factory):
    """The environment of a process in which a package with `PLUGIN` is installed."""
    place = tmp_path_factory.mktemp("site")
    (place / "mean_plugin.py").write_text(PLUGIN)
    about = place / "mean_plugin-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mean-plugin\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[ttd_jax.plugins]\nmean = mean_plugin\n")
    return {"PYTHONPATH": os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")])}


def test_a_network_of_another_package_is_timed(command_line, plugged):
    words = ["--what=fusion", "--model=plugged_mean", "--size=24x31", "--repeats=1", "--json"]
    result = command_line("benchmark", *words, env=plugged, process=True)
    assert result.returncode == 0, result.stderr
    assert [case["strategy"] for case in json.loads(result.stdout)["cases"]] == ["static", "ttd"]


def test_a_network_without_twin_has_no_peer(refused, plugged):
    words = ["--what=fusion", "--model=plugged_mean", "--peer=torch"]
    refused(
        "benchmark",
        *words,
        env=plugged,
        process=True,
        named=["plugged_mean", "no twin", "ifcnn_sum"],
    )


def test_a_machine_that_cannot_compile_has_no_compiled_peer(torch, monkeypatch):
    def fail(*args):
        raise torch._inductor.exc.InvalidCxxCompiler

    monkeypatch.setattr("torch._inductor.cpp_builder.get_cpp_compiler", fail)
    with pytest.raises(UserError, match=r"--peer=torch-compile: .*No working C\+\+.*--peer=torch"):
        _run(*_FUSION, "--peer=torch,torch-compile")


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    for words, module in ((("--size=8x8",), "scipy"), ((*_FUSION, "--peer=torch"), "torch")):
        monkeypatch.setitem(sys.modules, module, None)
        for name in [name for name in sys.modules if name.startswith("ttd_jax.benchmarks.")]:
            monkeypatch.delitem(sys.modules, name)
        with pytest.raises(UserError, match=rf"{module}.*ttd-jax\[benchmark\]"):
            _run(*words)


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
        ([*_FUSION, "--peer=torch,jit"], ["jit", "torch, torch-compile"]),
        (
            ["--what=fusion", "--model=piafusion,ifcnn_sum", "--weights=w"],
            ["--weights=w", "one model"],
        ),
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
    with pytest.raises(UserError, match="is a file"):
        _run(*_FUSION, f"--out={tmp_path / 'out'}")


def test_many_sizes_are_compiled_once_or_each(command_line):
    words = ["benchmark", "--what=sizes", "--model=ifcnn_sum", "--size=20x24,17x30,24x18", "--json"]
    result = command_line(*words)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)["sizes"]
    assert (found["bucket"]["programs"], found["exact"]["programs"]) == (1, 3)
    assert found["exact"]["padded"] == 0 < found["bucket"]["padded"]
    assert all(row["first"] > row["next"] > 0 for row in found.values())


@pytest.mark.parametrize("flag", ["--peer=torch", "--batch=2", "--out=x", "--strategy=ttd"])
def test_what_many_sizes_do_not_take_is_refused(refused, flag):
    words = ("benchmark", "--what=sizes", "--model=ifcnn_sum", flag)
    assert "--what=sizes does not take it" in refused(*words)


def test_a_clip_is_fused_as_a_video_beside_its_frames_as_stills(command_line):
    pytest.importorskip("av")
    words = ["--what=video", "--model=ifcnn_sum", "--size=24x32", "--frames=2", "--repeats=1"]
    result = command_line("benchmark", *words, "--json")
    assert result.returncode == 0, result.stderr
    content = json.loads(result.stdout)
    rates, seconds = content["frames_per_second"], content["seconds"]
    parts = {"decode", "motion", "fuse", "encode"}
    assert set(rates) == {"video", "steady", "frame by frame", *parts, "stills"}
    assert content["ratios"]["stills"] == 1
    assert all(rates[name] == 2 / seconds[name]["median"] for name in rates)
