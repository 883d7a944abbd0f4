"""Ranges that follow the frames of a sequence slowly."""

import numpy as np
import pytest

from ttd_jax.pictures.ranges import Range, parse_ranges
from ttd_jax.pictures.steady_range import SECONDS, SteadyRange


def test_a_new_range_is_approached_within_the_time_constant():
    rate = 20
    steady = SteadyRange(Range("data"), rate=rate)
    assert steady.follow(np.array([10.0, 20.0])) == Range("values", 10, 20)
    for _ in range(int(SECONDS * rate)):
        found = steady.follow(np.array([0.0, 40.0]))
    assert found.low == pytest.approx(10 / np.e)
    assert found.high == pytest.approx(40 - 20 / np.e)


def test_noise_of_the_bounds_is_damped():
    rng = np.random.default_rng(0)
    frames = rng.normal(100, 10, (50, 400))
    chosen = Range("percentile", 1, 99)
    steady = SteadyRange(chosen, rate=25)
    bounds = np.array([(found.low, found.high) for found in map(steady.follow, frames)])
    own = np.array([chosen.bounds(frame) for frame in frames])
    assert (np.diff(bounds, axis=0).std(0) < 0.1 * np.diff(own, axis=0).std(0)).all()


def test_it_goes_on_from_its_bounds_and_begins_anew_after_a_reset():
    first, other = (SteadyRange(Range("data"), rate=5) for _ in range(2))
    first.follow(np.array([0, 10]))
    other.bounds = first.bounds
    assert first.follow(np.array([5, 50])) == other.follow(np.array([5, 50]))
    first.reset()
    assert first.follow(np.array([5, 50])) == Range("values", 5, 50)


def test_what_the_user_has_told_does_not_follow_anything():
    for chosen in parse_ranges("type,20,45.5"):
        steady = SteadyRange(chosen, rate=25)
        assert steady.follow(np.arange(3)) == chosen
        assert steady.bounds is None
