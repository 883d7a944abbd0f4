"""`ttd-jax analyze`: a study from the command line, and its mistakes."""

import json

import numpy as np

from ttd_jax.pictures.images import encode_picture


def _benchmarks(folder):
    random = np.random.default_rng(1)
    (folder / "lytro").mkdir(parents=True)
    for letter in "AB":
        picture = random.integers(0, 256, (20, 23, 1)).astype(np.uint8)
        (folder / "lytro" / f"lytro-01-{letter}.png").write_bytes(encode_picture(picture, ".png"))
    return folder


def test_a_study_prints_its_results_as_json(command_line, tmp_path):
    words = [
        "--config=configs/analyze.py:form,lytro/pairs",
        f"--config.root={_benchmarks(tmp_path / 'benchmarks')}",
        "--config.weights_dir=shipped",
    ]
    plan = command_line("analyze", f"--out={tmp_path / 'out'}", *words, "--dry_run")
    assert plan.stdout == "form: 4 fusions of each scene of lytro/pairs (1 scene)\n", plan.stderr
    assert not (tmp_path / "out").exists()
    result = command_line("analyze", f"--out={tmp_path / 'out'}", *words, "--json")
    assert result.returncode == 0, result.stderr
    (study,) = json.loads(result.stdout)
    assert [row["weighing"] for row in study["rows"]] == [
        "static",
        "softmax(-l)",
        "softmax(sigmoid(-l))",
        "softmax(exp(-l))",
    ]
    saved = json.loads((tmp_path / "out" / "form" / "results.json").read_text())
    assert saved == study


def test_an_unknown_study_is_told_in_one_line(refused, tmp_path):
    refused(
        "analyze",
        f"--out={tmp_path}",
        "--config=configs/analyze.py:grids",
        named=["grids", "grid, noise"],
    )
