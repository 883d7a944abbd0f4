"""Pairs made from one picture."""

import itertools

import cv2
import numpy as np

from ttd_jax.pictures.synthetic import (
    exposure_stack,
    focus_stack,
    multi_exposure_pair,
    multi_focus_pair,
)


def picture():
    noise = np.random.default_rng(0).random((90, 121, 3), np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 1.0)


def test_each_focus_is_sharp_where_the_other_is_not():
    truth = picture()
    near, far = multi_focus_pair(truth)
    errors = [np.abs(p - truth).mean(axis=-1) for p in (near, far)]
    exact = np.minimum(*errors) < 1e-6
    assert exact.mean() > 0.8  # all but the border
    assert errors[0][exact].max() > 0.05
    assert errors[1][exact].max() > 0.05
    assert 0.3 < (errors[0] < errors[1]).mean() < 0.7


def test_the_border_depends_on_the_seed_only():
    truth = picture()
    assert np.array_equal(multi_focus_pair(truth, seed=1)[0], multi_focus_pair(truth, seed=1)[0])
    assert not np.allclose(multi_focus_pair(truth, seed=1)[0], multi_focus_pair(truth, seed=2)[0])


def test_exposures_are_darker_and_brighter_and_clip():
    truth = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16, 1)
    under, over = multi_exposure_pair(truth, stops=1.0)
    assert (under <= truth + 1 / 255).all()
    assert (over >= truth - 1 / 255).all()
    assert (over == 1).mean() > 0.2
    middle = truth[8, 8, 0]
    np.testing.assert_allclose(under[8, 8, 0], (middle**2.2 / 2) ** (1 / 2.2), atol=1 / 255)


def test_focus_stack_shows_every_part_sharp_once():
    truth = picture()
    stack = np.stack(focus_stack(truth, count=4))
    nearest = np.abs(stack - truth).min(axis=0)
    assert nearest.mean() < 0.4 * np.abs(stack - truth).mean()
    assert all(np.abs(shown - truth).mean() > 0.005 for shown in stack)


def test_exposure_stack_rises_evenly_from_dark_to_bright():
    stack = exposure_stack(np.full((3, 3, 1), 0.3, np.float32), count=5, stops=1.0)
    linear = [float(shown[0, 0, 0]) ** 2.2 for shown in stack]
    ratios = [later / earlier for earlier, later in itertools.pairwise(linear)]
    np.testing.assert_allclose(ratios, 2**0.5, rtol=0.05)
