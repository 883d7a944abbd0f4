"""Methods ranked on the same images, and the tests that tell them apart."""

import math

import numpy as np
import pytest
import scipy.stats

from ttd_jax.metrics.ranks import mean_ranks, significance

NAMES = ("EN", "SD", "MSE")
RANDOM = np.random.default_rng(0)


def means(**columns):
    """`columns`: method -> a mean for each of `NAMES`, of two images."""
    return {
        method: {name: [mean - 0.5, mean + 0.5] for name, mean in zip(NAMES, of, strict=True)}
        for method, of in columns.items()
    }


def test_ranks_follow_directions_and_equal_means_share_theirs():
    found = mean_ranks(means(a=(1.0, 5.0, 9.0), b=(2.0, 5.0, 1.0), c=(3.0, 4.0, 5.0)))
    assert found == pytest.approx({"b": 4.5 / 3, "c": 6 / 3, "a": 7.5 / 3})
    assert list(found) == ["b", "c", "a"]
    without = mean_ranks(means(a=(1.0, math.nan, 9.0), b=(2.0, 5.0, 1.0)))
    assert without == {"b": 1, "a": 2}
    scores = {"a": {"EN": [3.0, 3.0]}, "b": {"EN": [9.0, None]}, "c": {"EN": [2.0, 8.0]}}
    assert mean_ranks(scores) == {"b": 1, "a": 2, "c": 3}  # the second image is not b's
    assert all(map(math.isnan, mean_ranks(means(a=(math.nan,) * 3, b=(1.0,) * 3)).values()))


def columns(count, **shifts):
    """`shifts`: method -> what is added to the noise of each metric."""
    base = RANDOM.normal(0, 1, (len(NAMES), count))
    return {
        method: {
            name: [*(base[i] + shift[i] + RANDOM.normal(0, 0.1, count))]
            for i, name in enumerate(NAMES)
        }
        for method, shift in shifts.items()
    }


def test_two_methods_differ_where_the_signed_ranks_say_so_after_correction():
    drawn = columns(12, a=(0, 0, 0), b=(1, 0, 1))
    found = significance(drawn)
    assert (found["test"], found["images"], found["needed"]) == ("Wilcoxon", 12, 10)
    assert found["differ"] == ["EN", "MSE"]
    assert found["better"] == {"a": {"b": ["MSE"]}, "b": {"a": ["EN"]}}
    raw = {
        name: scipy.stats.wilcoxon(np.subtract(drawn["a"][name], drawn["b"][name])).pvalue
        for name in NAMES
    }
    assert found["p"]["SD"] == pytest.approx(max(raw["SD"], found["p"]["MSE"]))
    assert found["p"]["EN"] == pytest.approx(3 * raw["EN"])


def test_more_methods_are_told_apart_by_ranks_that_are_far_enough():
    drawn = columns(20, a=(0, 0, 0), b=(0.01, 0, 0), c=(5, 0, -5))
    found = significance(drawn)
    assert (found["test"], found["differ"]) == ("Friedman", ["EN", "MSE"])
    assert found["better"]["c"] == {"a": ["EN", "MSE"], "b": ["EN", "MSE"]}
    assert found["better"]["a"] == {"b": [], "c": []}


@pytest.mark.parametrize(("wins", "told"), [(17, []), (18, ["EN"])])
def test_mean_ranks_of_three_methods_on_20_images_differ_by_a_critical_0_74(wins, told):
    # Demsar 2006: 2.343 sqrt(3 * 4 / (6 * 20)), where a method wins 17.4 of 20
    scores = {"a": [1.0] * 20, "b": [0.0] * wins + [2.0] * (20 - wins), "c": [5.0] * 20}
    found = significance({method: {"EN": of} for method, of in scores.items()})
    assert found["better"]["a"]["b"] == told


def test_too_few_images_equal_figures_and_undefined_ones():
    few = significance(columns(9, a=(0, 0, 0), b=(9, 9, 9)))
    assert few["p"] == dict.fromkeys(NAMES)
    assert few["differ"] == []
    for methods in ("ab", "abc"):
        same = {method: {"EN": [1.0] * 10} for method in methods}
        assert significance(same)["p"] == {"EN": 1.0}
    drawn = columns(12, a=(0, 0, 0), b=(9, 9, 9))
    drawn["a"]["EN"][:3] = [None] * 3
    drawn["b"]["SD"][:2] = [None] * 2
    found = significance(drawn)
    assert found["p"]["EN"] is None
    assert found["differ"] == ["SD", "MSE"]
