"""`ttd-jax benchmark`: that it measures, not how fast anything is."""

import json
import pathlib

from ttd_jax.benchmarks.timing import interleave

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


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


def test_mistakes_are_told(refused, tmp_path):
    refused("benchmark", f"--checkout={tmp_path}", named=[tmp_path, "--checkout"])
    refused("benchmark", "--size=big", named=["big", "480x640"])
