"""Means over images and their uncertainty."""

import dataclasses
import math

import numpy as np
import pytest

from ttd_jax.metrics import METRICS
from ttd_jax.metrics.intervals import estimate, paired_difference

UP, DOWN = METRICS["EN"].merit, METRICS["MSE"].merit
ZERO = dataclasses.replace(METRICS["EN"], better="zero").merit


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
    one = {"count": 1, "undefined": 0, **nothing}
    assert estimate([3.0]) == {"mean": 3.0, **one}
    told = {"improved": None, "verdict": "unclear"}
    assert paired_difference([3.0], [1.0], merit=UP) == {"mean": 2.0, **one, **told}


def test_what_is_undefined_is_left_out_and_counted():
    found, numbers = estimate([1.0, None, 4.0, math.nan]), estimate([1.0, 4.0])
    assert found == {**numbers, "undefined": 2}
    assert numbers["count"] == 2
    nothing = estimate([None, None])
    assert math.isnan(nothing.pop("mean"))
    assert nothing == {"std": None, "low": None, "high": None, "count": 0, "undefined": 2}
    found = paired_difference([2.0, None, 5.0, 9.0], [1.0, 1.0, 3.0, None], merit=UP)
    assert (found["mean"], found["count"], found["undefined"]) == (1.5, 2, 2)
    assert found["improved"] == 1


def test_differences_are_paired_and_know_which_way_is_better():
    base = np.random.default_rng(0).normal(0, 100, 30)
    d = paired_difference(base + 1, base, merit=UP)
    assert (d["mean"], d["low"], d["high"]) == pytest.approx((1, 1, 1))
    assert (d["improved"], d["verdict"]) == (1, "better")
    d = paired_difference(base + 1, base, merit=DOWN)
    assert (d["improved"], d["verdict"]) == (0, "worse")
    d = paired_difference(base, base, merit=UP)
    assert (d["improved"], d["verdict"]) == (0, "unclear")


def test_what_is_best_at_zero_is_better_on_either_side():
    d = paired_difference([0.1, -0.1, 0.2], [-0.3, 0.3, 0.3], merit=ZERO)
    assert d["mean"] == pytest.approx(-0.1 / 3)
    assert (d["improved"], d["verdict"]) == (1, "better")
