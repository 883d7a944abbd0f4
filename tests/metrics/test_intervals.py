"""Means over images and their uncertainty."""

import numpy as np
import pytest

from ttd_jax.metrics.intervals import estimate, paired_difference


def test_the_interval_is_about_the_normal_one_for_many_values():
    values = np.random.default_rng(0).normal(10, 2, 400)
    e = estimate(values)
    assert e["mean"] == pytest.approx(values.mean())
    assert e["std"] == pytest.approx(values.std(ddof=1))
    half = 1.96 * values.std(ddof=1) / 20
    assert e["low"] == pytest.approx(values.mean() - half, abs=0.03)
    assert e["high"] == pytest.approx(values.mean() + half, abs=0.03)
    assert estimate(values) == e


def test_one_value_tells_no_spread_and_no_share_of_images():
    nothing = {"std": None, "low": None, "high": None}
    assert estimate([3.0]) == {"mean": 3.0, "count": 1, **nothing}
    assert paired_difference([3.0], [1.0], better="up") == {
        "mean": 2.0,
        "count": 1,
        "improved": None,
        **nothing,
    }


def test_differences_are_paired_and_know_which_way_is_better():
    base = np.random.default_rng(0).normal(0, 100, 30)
    d = paired_difference(base + 1, base, better="up")
    assert (d["mean"], d["low"], d["high"]) == pytest.approx((1, 1, 1))
    assert d["improved"] == 1
    assert paired_difference(base + 1, base, better="down")["improved"] == 0
    assert paired_difference(base, base, better="up")["improved"] == 0
