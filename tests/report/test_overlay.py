"""The overlay of RD: tints where a source dominates, gray where none does."""

import numpy as np
import pytest

from ttd_jax.core.dominability import dominance_shares
from ttd_jax.report import overlay
from ttd_jax.report.caption import extent, legend
from ttd_jax.report.overlay import dominability_map, dominability_overlay


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
    drawn = dominability_map(np.full((40, 500, 3), 0.5), rd)
    assert np.ptp(drawn.astype(int), axis=2).max() <= 1


def _legend(monkeypatch, rd, labels):
    """The texts below an overlay."""
    told = []

    def listen(lines, width, *, size):
        told.extend(text for _, text in lines)
        return legend(lines, width, size=size)

    monkeypatch.setattr(overlay, "legend", listen)
    dominability_overlay(np.full((*rd.shape[1:], 1), 0.5), rd, labels)
    return told


def test_the_legend_tells_the_shares_of_the_summary(monkeypatch):
    rd = np.full((2, 50, 100), 0.5, np.float32)  # black background: as good in both
    rd[1, :20], rd[0, :20] = 0.6, 0.4
    monkeypatch.setattr(overlay, "_BLOCK", 700)
    first, second, tint = _legend(monkeypatch, rd, ("MRI", "PET"))
    shares = [f"{share:.0%}" for share in dominance_shares(rd)]
    assert shares == ["30%", "70%"]
    assert first == "MRI: dominates 30%, mean RD 0.460"
    assert second == "PET: dominates 70%, mean RD 0.540"
    assert tint == "tint: none at RD 0.50, full at 0.60 or more"


def test_the_tint_of_a_few_pixels_is_their_own(monkeypatch):
    rd = np.full((2, 100, 100), 0.5, np.float32)
    rd[:, 0, 0] = 0.7, 0.3
    assert "full at 0.70" in _legend(monkeypatch, rd, ("a", "b"))[-1]


def test_where_every_source_weighs_the_same_the_legend_says_so(monkeypatch):
    rd = np.full((3, 40, 50), 1 / 3, np.float32)
    (line,) = _legend(monkeypatch, rd, ("a", "b", "c"))
    assert line == "every source weighs the same (RD 0.33), as in static fusion"


def test_the_legend_grows_with_the_picture_and_fits_it():
    rd = np.random.default_rng(0).random((2, 600, 1500)).astype(np.float32)
    small, large = (
        dominability_overlay(np.zeros((*part.shape[1:], 1)), part, ("a", "b"))
        for part in (rd[:, :200, :500], rd)
    )
    assert (large.shape[0] - 600) / 600 == pytest.approx((small.shape[0] - 200) / 200, rel=0.2)
    text = "a folder whose name is rather long: dominates 100%, mean RD 0.500"
    strip = legend([(np.zeros((1, 1, 3), np.uint8), text)], 300, size=20)
    assert strip.shape == (strip.shape[0], 300, 3)
    assert extent(text, size=20) > 300
    assert (strip[:, -2:] == 255).all()  # nothing is cut


def test_the_overlay_of_integers_and_in_parts_is_that_of_floats(monkeypatch):
    rng = np.random.default_rng(0)
    rd = rng.random((2, 61, 500)).astype(np.float32)
    fused = np.uint8(255 * rng.random((61, 500, 3)))
    whole = dominability_overlay(np.float32(fused / 255), rd, ("a", "b"))
    monkeypatch.setattr(overlay, "_BLOCK", 7 * 500)
    parts = dominability_overlay(fused, rd, ("a", "b"))
    np.testing.assert_allclose(parts.astype(int), whole.astype(int), atol=1)


def test_a_very_tall_picture_is_not_enlarged_without_bound():
    picture = dominability_overlay(np.zeros((2100, 1, 1)), np.full((2, 2100, 1), 0.5), "ab")
    assert picture.shape[1] == 480
    assert 2100 < picture.shape[0] < 2200
