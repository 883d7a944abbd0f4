"""What plug-ins give that is no number, from the command line: never a black picture, never NaN."""

import csv
import json
import pathlib

import cv2
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from tests.commands.conftest import draw
from tests.small_networks import registered

CONFIG = pathlib.Path(__file__).resolve().parents[2] / "configs" / "evaluate.py"


@pytest.fixture
def pairs(tmp_path):
    for i in range(3):
        draw(tmp_path / "v" / f"{i}.png", seed=i)
        draw(tmp_path / "i" / f"{i}.png", seed=10 + i)
        draw(tmp_path / "other" / f"{i}.png", seed=20 + i)
    return tmp_path


@pytest.fixture(autouse=True)
def plugins():
    """Metrics that never or seldom are numbers, and a loss map that never is one."""

    def seldom(fused, sources=None, *, protocol):
        return jnp.where(fused[0, 0] < 128, jnp.nan, fused[0, 0])

    def never(fused, sources=None, *, protocol):
        return jnp.mean(fused) / 0.0

    options = {"high": 1.0, "needs_sources": False, "description": "d", "reference": "r"}
    with registered():
        why = "the first pixel is dark"
        ttd_jax.register_metric(
            ttd_jax.Metric(name="Seldom", function=seldom, undefined=why, **options)
        )
        ttd_jax.register_metric(ttd_jax.Metric(name="Never", function=never, **options))
        ttd_jax.register_loss("nowhere", lambda c, s, static: (c - s) * jnp.nan)
        yield


def strict(text):
    """JSON that has no NaN."""

    def refuse(word):
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


def test_scores_that_are_no_numbers_are_null_and_told(command_line, pairs):
    words = [
        "score",
        f"--fused={pairs / 'v'},{pairs / 'other'}",
        f"--sources={pairs / 'v'},{pairs / 'i'}",
        "--metrics=SD,Never",
    ]
    result = command_line(*words, f"--out={pairs / 'o'}")
    assert result.returncode == 0, result.stderr
    assert "\nNever is undefined; left out: 3 of 3 images.\n" in result.stdout
    assert "better on 0%" not in result.stdout.split("Never")[1]
    assert result.stdout.count("n/a") == 3
    found = strict((pairs / "o" / "scores.json").read_text())
    assert found["methods"]["v"]["Never"] == {
        "mean": None,
        "std": None,
        "low": None,
        "high": None,
        "count": 0,
        "undefined": 3,
    }
    assert found["differences"]["other"]["Never"]["improved"] is None
    assert found["methods"]["v"]["SD"]["mean"] > 0
    strict((pairs / "o" / "summary.json").read_text())
    again = command_line(*words, f"--out={pairs / 'o'}", "--resume")
    assert again.returncode == 0, again.stderr
    assert again.stdout == result.stdout


def test_what_is_undefined_on_some_pictures_is_left_out_of_the_mean(command_line, pairs):
    for i, gray in enumerate((0, 200, 255)):
        cv2.imwrite(str(pairs / "v" / f"{i}.png"), np.full((24, 32), gray, np.uint8))
    words = ["score", f"--fused={pairs / 'v'}", f"--sources={pairs / 'v'},{pairs / 'i'}"]
    result = command_line(*words, f"--out={pairs / 'o'}", "--metrics=Seldom")
    assert result.returncode == 0, result.stderr
    told = "Seldom is undefined (the first pixel is dark); left out: 1 of 3 images."
    assert told in result.stdout
    assert "3 images" in result.stdout.splitlines()[0]
    found = strict((pairs / "o" / "scores.json").read_text())["methods"]["v"]["Seldom"]
    assert (found["mean"], found["count"], found["undefined"]) == (227.5, 2, 1)
    (first, *_) = csv.DictReader((pairs / "o" / "scores.csv").read_text().splitlines())
    assert first["Seldom"] == ""


def evaluate(pairs, random_weights, *flags):
    return [
        "evaluate",
        f"--out={pairs / 'o'}",
        f"--config={CONFIG}:ifcnn_sum,mine",
        f"--config.weights_dir={random_weights.parent}",
        f"--config.sources=('{pairs / 'v'}','{pairs / 'i'}')",
        "--config.gallery=1",
        *flags,
    ]


def test_an_evaluation_holds_nulls_and_no_nan(command_line, pairs, random_weights):
    words = evaluate(pairs, random_weights, "--config.metrics=('SD','Never')")
    result = command_line(*words)
    assert result.returncode == 0, result.stderr
    (compared,) = strict((pairs / "o" / "results.json").read_text())["comparisons"]
    assert compared["strategies"]["ttd"]["Never"]["mean"] is None
    assert compared["gains"]["ttd"]["Never"]["improved"] is None
    for lines in (pairs / "o").glob("*/records/*.jsonl"):
        for line in lines.read_text().splitlines():
            strict(line)
    for name in ("results.md", "results.tex", "report.html"):
        text = (pairs / "o" / name).read_text()
        assert "n/a" in text
        assert "Never is undefined; left out: 3 of 3 images." in text
    assert "nan" not in (pairs / "o" / "results.csv").read_text()
    assert '"nan"' not in text


def test_a_loss_map_that_is_no_number_ends_an_evaluation(command_line, pairs, random_weights):
    words = evaluate(pairs, random_weights, "--config.strategies=('static','nowhere')")
    result = command_line(*words)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "mine: 0, nowhere: network 'ifcnn_sum' or loss map 'nowhere' gives NaN" in line


@pytest.mark.parametrize("memory", ["8GiB", "340MiB"])
def test_a_loss_map_that_is_no_number_leaves_no_picture(command_line, pairs, fuse, memory):
    out = pairs / "out"
    words = fuse(out, "--dominability=nowhere", f"--max_memory={memory}", pairs / "v", pairs / "i")
    result = command_line(*words)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "network 'ifcnn_sum' or loss map 'nowhere' gives NaN or infinity" in line
    assert not list(out.glob("**/*.png"))
