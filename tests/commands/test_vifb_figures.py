"""VIFB's own pictures come out of `score` with the figures that VIFB stores of them."""

import csv
import json

import pytest

from ttd_jax import metrics

# What VIFB's files call a metric where tables do not.
STORED = {
    "Variance": "SD",
    "Entropy": "EN",
    "Cross_entropy": "CE",
    "Mutinf": "MI",
    "Avg_gradient": "AG",
    "Edge_intensity": "EI",
    "Spatial_frequency": "SF",
    "Ssim": "SSIM",
    "Psnr": "PSNR",
    "Rmse": "RMSE",
}


@pytest.mark.usefixtures("quick_compilation")
def test_scores_are_the_figures_that_vifb_stores(shared, command_line, tmp_path):
    folder = shared / "golden" / "metrics" / "vifb"
    words = [f"--fused={folder / 'ADF'},{folder / 'SeAFusion'}"]
    words += [f"--sources={folder / 'VI'},{folder / 'IR'}", f"--out={tmp_path}"]
    result = command_line("score", *words, "--protocol=vifb", "--metrics=all")
    assert result.returncode == 0, result.stderr
    with (tmp_path / "scores.csv").open() as file:
        found = {(row["image"], row["method"]): row for row in csv.DictReader(file)}
    with (folder / "stored.csv").open() as file:
        stored = list(csv.DictReader(file))
    assert len(stored) == 8 * len(metrics.PROTOCOLS["vifb"].rows)
    for row in stored:
        name = STORED.get(row["metric"], row["metric"])
        figure = float(found[row["scene"], row["method"]][name])
        assert figure == pytest.approx(float(row["value"]), rel=1e-3), row
    assert json.loads((tmp_path / "scores.json").read_text())["protocol"] == "vifb"
