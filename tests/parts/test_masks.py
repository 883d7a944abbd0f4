"""Scenes whose sources lack data at some pixels, in windows."""

import chex
import jax
import numpy as np
import pytest

from tests.parts.in_windows import fuse_in_windows, kept, options_of
from tests.small_networks import IN_PARTS, LOCAL, bound, untried
from ttd_jax.core import fusion
from ttd_jax.networks import fuse_pictures
from ttd_jax.parts import SceneOptions, WindowFuser


@pytest.fixture(autouse=True)
def _untried(monkeypatch):
    untried(monkeypatch)


def scene(size, channels, seed=0):
    """Sources that all lack data somewhere, the first of them in the first windows."""
    rng = np.random.default_rng(seed)
    has_data = np.ones((2, *size), bool)
    has_data[0, :13, 3:] = has_data[1, -9:] = has_data[1, :, :4] = False
    return rng.random((2, *size, channels), np.float32), has_data


@pytest.mark.parametrize(
    ("spec", "strategy", "size"),
    [(LOCAL, "ttd", (43, 8)), (IN_PARTS, "ttd", (43, 9)), (IN_PARTS, "static", (42, 8))],
)
def test_windows_give_what_the_whole_gives(spec, strategy, size):
    model = bound(spec)
    sources, has_data = scene(size, 1)
    settings = model.strategy(strategy)
    whole = jax.jit(fusion.fuse, static_argnums=2)(model, sources, settings, has_data=has_data)
    strips = fuse_in_windows(model, sources, settings, 34, has_data=has_data)
    chex.assert_trees_all_close(strips, jax.tree.map(np.asarray, whole), atol=5e-6)
    plain = fuse_in_windows(model, sources, settings, 34)
    assert np.abs(strips.image - plain.image).max() > 0.01


@pytest.mark.parametrize("settings", [None, LOCAL.presets["self"]])
def test_shares_are_means_of_what_belongs_to_the_sources(settings):
    sources, has_data = scene((51, 10), 1)
    options = options_of(sources, settings, save=("dominability",), masked=True)
    maps, shares = kept(WindowFuser(bound(), options), sources, 34, has_data=has_data)
    rd = maps["dominability"][..., 0]
    assert rd[0][has_data[1] & ~has_data[0]].max() == 0
    np.testing.assert_allclose(shares["mean_dominability"], rd.mean((1, 2)), atol=1e-6)
    leads = (rd == rd.max(0)) / (rd == rd.max(0)).sum(0)
    np.testing.assert_allclose(shares["dominates"], leads.mean((1, 2)), atol=1e-6)
    assert abs(shares["mean_dominability"][0] - 0.5) > 0.02


def test_color_is_put_back_where_there_is_any():
    rng = np.random.default_rng(0)
    pictures = [rng.random((55, 12, channels), np.float32) for channels in (3, 1)]
    _, has_data = scene((55, 12), 1)
    model = bound()
    options = SceneOptions(settings=None, mode="luma", channels=1, save=("fused",), masked=True)
    maps, _ = kept(WindowFuser(model, options), pictures, 34, has_data=has_data)
    whole = jax.jit(fuse_pictures, static_argnums=2, static_argnames="mode")
    whole = whole(model, pictures, None, mode="luma", has_data=has_data)
    np.testing.assert_allclose(maps["fused"], whole.image, atol=1e-5)
    assert np.ptp(maps["fused"][~has_data[0]], axis=-1).max() < 1e-5


def test_a_plan_compiles_what_a_masked_scene_needs():
    sources, has_data = scene((40, 8), 1)
    options = options_of(sources, None, save=("fused",), masked=True)
    fuser = WindowFuser(bound(), options)
    plan = fuser.plan([(40, 8, 1)] * 2, memory=2**40)
    programs = fuser.program_count
    assert programs > 0
    maps = {"fused": np.empty((40, 8, 1), np.float32)}
    fuser(list(sources), maps, plan, has_data=has_data)
    assert fuser.program_count == programs
