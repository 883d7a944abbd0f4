"""Distances from the published gains, by hand."""

import math

import pytest

from ttd_jax.analysis.ranking import rank, table_of
from ttd_jax.networks import lookup
from ttd_jax.report import published

ROW = lookup("ifcnn_sum")
TABLE = published.BENCHMARKS["harvard_medical/mri_ct"]


def _rows(factor):
    """Static rows of ones; 'exact' has the published ratios, 'off' those times `factor`."""
    exact = {n: TABLE.figure("IFCNN+TTD", n) / TABLE.figure("IFCNN", n) for n in TABLE.columns}
    values = {
        "static": dict.fromkeys(exact, 1.0),
        "off": {n: v * factor for n, v in exact.items()},
        "exact": exact,
    }
    return [
        {
            "dataset": "harvard_medical/mri_ct",
            "weighing": name,
            "measures": {n: {"mean": v} for n, v in figures.items()},
        }
        for name, figures in values.items()
    ]


def test_published_ratios_have_no_distance_and_come_first():
    first, second = rank(_rows(1.1), ROW)
    assert first["weighing"] == "exact"
    assert first["distance"] == pytest.approx(0, abs=1e-9)
    assert first["signs"] == 1
    assert second["distance"] == pytest.approx(100 * math.log(1.1))


def test_a_wrong_direction_counts_against_the_signs():
    rows = _rows(1.0)
    rows[2]["measures"]["SD"]["mean"] = 0.9  # published: it rises
    entry = next(e for e in rank(rows, ROW) if e["weighing"] == "exact")
    assert 0.7 < entry["signs"] < 1


def test_samples_belong_to_the_table_of_their_benchmark():
    assert table_of("llvip/fusion") == "llvip/ttd_subset"
    assert table_of("mefb/fusion") == "mefb"
    assert table_of("harvard_medical/mri_pet") == "harvard_medical/mri_pet"
    assert table_of("lytro/pairs") is None
