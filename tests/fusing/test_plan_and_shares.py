"""Batches of one shape, shares of dominated pixels, the overlay."""

import itertools
import pathlib

import numpy as np

from ttd_jax.fusing.compute import dominance_shares
from ttd_jax.fusing.plan import CheckedScene, plan_batches
from ttd_jax.pictures.scenes import Scene
from ttd_jax.report import overlay
from ttd_jax.report.overlay import dominability_overlay


def checked(name, size, colored=(True, False)):
    scene = Scene(name, (pathlib.Path(f"v/{name}.png"), pathlib.Path(f"i/{name}.png")))
    return CheckedScene(scene, size, colored, ("", ""))


def test_a_batch_holds_one_shape_and_every_scene_is_in_one():
    sizes = [(256, 256), (480, 640)]
    scenes = [checked(str(i), sizes[i % 2], (i % 3 == 0, False)) for i in range(40)]
    batches = plan_batches(scenes)
    kinds = [{(s.size, s.colored) for s in batch.slots} for batch in batches]
    assert all(len(kind) == 1 for kind in kinds)
    names = [s.scene.name for batch in batches for s in batch.slots]
    assert sorted(names) == sorted(s.scene.name for s in scenes)
    order = [next(iter(kind)) for kind in kinds]
    changes = sum(a != b for a, b in itertools.pairwise(order))
    assert changes == len(set(order)) - 1  # batches of one shape follow each other


def test_capacity_is_one_program_a_shape_and_falls_with_the_size():
    small = plan_batches([checked(str(i), (64, 64)) for i in range(11)])
    assert [len(b.slots) for b in small] == [8, 3]
    assert {b.capacity for b in small} == {8}
    large = plan_batches([checked(str(i), (2000, 3000)) for i in range(3)])
    assert [b.capacity for b in large] == [1, 1, 1]
    assert {b.capacity for b in plan_batches([checked("a", (64, 64))], 5)} == {1}


def test_shares_count_pixels_and_split_ties():
    rd = np.array([[[0.6, 0.5], [0.4, 0.7]], [[0.4, 0.5], [0.6, 0.3]]], np.float32)
    np.testing.assert_allclose(dominance_shares(rd), [(1 + 0.5 + 0 + 1) / 4, (0 + 0.5 + 1 + 0) / 4])


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
