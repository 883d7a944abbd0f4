"""What the paper's discussion says of real images and real weights, as far as it holds."""

import itertools

import pytest
from ttd_jax_configs.analyze import get_config

from ttd_jax.analysis.run import analyze


@pytest.fixture
def configure(shared, real_weights):
    def make(argument, **fields):
        config = get_config(argument)
        config.weights_dir = str(real_weights.parent)
        config.root = str(shared / "data")
        config.update(fields)
        return config

    return make


def test_dominability_of_a_region_falls_as_its_pixels_turn_black(configure, tmp_path):
    config = configure(
        "probes,harvard_medical/mri_ct",
        presets=("intensity",),
        corruptions=("mask",),
        crop=96,
        images=4,
    )
    (result,) = analyze(config, tmp_path)
    rows = [row for row in result["rows"] if row["curve"] == "intensity"]
    assert rows[0]["count"] == 4
    means = [row["measures"]["rd_region"]["mean"] for row in rows]
    assert len(means) == 5
    assert all(later < earlier for earlier, later in itertools.pairwise(means))


def test_covariance_is_negative_and_the_positive_control_is_worse(configure, tmp_path):
    config = configure("correlation", crop=64, metrics=("SD", "AG"), images=4)
    (result,) = analyze(config, tmp_path)
    rows = {(row["dataset"], row["weighing"]): row for row in result["rows"]}
    negative = [row for (_, weighing), row in rows.items() if weighing == "negative"]
    count = sum(row["count"] for row in negative)
    assert count >= 40
    assert sum(row["count"] * row["negative_covariance"] for row in negative) >= 0.99 * count
    for (dataset, weighing), row in rows.items():
        if weighing == "positive":
            for name in ("SD", "AG"):
                control = row["measures"][name]["mean"]
                assert control < rows[dataset, "negative"]["measures"][name]["mean"], dataset
                assert control < rows[dataset, "static"]["measures"][name]["mean"], dataset
