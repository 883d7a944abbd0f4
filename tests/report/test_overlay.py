"""The overlay of RD: tints where a source dominates, gray where none does."""

import numpy as np

from ttd_jax.report import overlay
from ttd_jax.report.overlay import dominability_overlay


def test_the_overlay_shows_each_source_where_it_dominates():
    rd = np.full((2, 60, 500), 0.3, np.float32)
    rd[0, :, :250] = rd[1, :, 250:] = 0.7
    drawn = dominability_overlay(np.full((60, 500, 1), 0.5), rd, ("left", "right")).astype(int)
    left, right = drawn[30, 100], drawn[30, 400]
    assert left[0] > left[2] + 50  # orange
    assert right[2] > right[0] + 50  # blue
    assert drawn.shape[0] > 60 + 3 * 20  # the legend
    assert (drawn[60:] < 100).any()  # text


def test_an_even_split_is_left_gray():
    rd = np.full((3, 40, 500), 1 / 3, np.float32)
    drawn = dominability_overlay(np.full((40, 500, 3), 0.5), rd, ("a", "b", "c"))
    assert np.ptp(drawn[:40].astype(int), axis=2).max() <= 1


def test_the_overlay_of_integers_and_in_parts_is_that_of_floats(monkeypatch):
    rng = np.random.default_rng(0)
    rd = rng.random((2, 61, 500)).astype(np.float32)
    fused = np.uint8(255 * rng.random((61, 500, 3)))
    whole = dominability_overlay(np.float32(fused / 255), rd, ("a", "b"))
    monkeypatch.setattr(overlay, "_BLOCK", 7 * 500)
    parts = dominability_overlay(fused, rd, ("a", "b"))
    np.testing.assert_allclose(parts.astype(int), whole.astype(int), atol=1)
