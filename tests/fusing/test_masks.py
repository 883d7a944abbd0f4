"""Batches of scenes whose sources lack data at some pixels."""

import jax
import numpy as np
import pytest

from tests.small_networks import IN_PARTS, bound, untried
from ttd_jax.errors import UserError
from ttd_jax.fusing.compute import BatchFuser
from ttd_jax.networks import Saving, fuse_pictures
from ttd_jax.networks.saving import join_ycrcb
from ttd_jax.parts import parse_size
from ttd_jax.pictures.batches import plan_batches
from ttd_jax.pictures.checking import Checked
from ttd_jax.pictures.images import Picture

ROWS = 11  # that the colored picture lacks


@pytest.fixture(scope="module", autouse=True)
def _quickly(quick_compilation):
    """Programs here run a few times on few pixels."""


@pytest.fixture(autouse=True)
def _untried(monkeypatch):
    untried(monkeypatch)


def scene(size, seed=0):
    rng = np.random.default_rng(seed)
    has_data = np.ones(size, bool)
    has_data[:ROWS] = False
    colored, gray = (rng.integers(0, 256, (*size, c), np.uint8) for c in (3, 1))
    return [Picture(colored, has_data=has_data), Picture(gray)]


def fuse(scenes, settings=None, *, model, color="luma", memory=2**40):
    """What a batch gives of each scene."""
    options = {"color": color, "save": ("fused", "dominability"), "memory": memory}
    fuser = BatchFuser(model, settings, **options)
    planned = [Checked(pictures[0].size, (True, False), (), masked=True) for pictures in scenes]
    (batch,) = plan_batches(planned, exact=False)
    fuser.check(batch, scenes[0])
    found = dict(fuser(batch, {slot: ("", pictures) for slot, pictures in enumerate(scenes)}))
    return [found[slot] for slot in range(len(scenes))]


def by_hand(model, pictures, settings):
    masks = np.stack([pictures[0].has_data, np.ones(pictures[0].size, bool)])
    given = [picture.as_float() for picture in pictures]
    whole = jax.jit(fuse_pictures, static_argnums=2, static_argnames="mode")
    fusion = whole(model, given, settings, mode="luma", has_data=masks)
    return np.asarray(fusion.image), np.asarray(fusion.dominability)


@pytest.mark.parametrize("strategy", ["ttd", "static"])
def test_scenes_of_several_sizes_share_a_batch(strategy):
    model = bound(IN_PARTS)
    settings = model.strategy(strategy)
    scenes = [scene((32, 24)), scene((29, 23), seed=1)]
    for pictures, found in zip(scenes, fuse(scenes, settings, model=model), strict=True):
        image, rd = by_hand(model, pictures, settings)
        assert found["windows"]["count"] == 1
        np.testing.assert_allclose(found["fused"], image, atol=1e-5)
        np.testing.assert_allclose(found["dominability"], rd, atol=1e-6)
        np.testing.assert_allclose(found["mean_dominability"], rd.mean((1, 2)), atol=1e-6)
        assert found["dominates"][1] > ROWS / 32
        assert not rd[0, :ROWS].any()


def test_little_memory_makes_windows_of_it():
    model, pictures = bound(), scene((201, 40))
    with pytest.raises(UserError) as refused:
        fuse([pictures], model=model, memory=1)
    least = parse_size(str(refused.value).split("--max_memory=")[1].split()[0])
    (found,) = fuse([pictures], model=model, memory=least)
    assert found["windows"]["count"] > 1
    image, rd = by_hand(model, pictures, None)
    np.testing.assert_allclose(found["fused"], 255 * image, atol=0.51)
    np.testing.assert_allclose(found["dominability"], rd, atol=1e-6)


def test_authors_put_back_no_color_of_pixels_without_data():
    model = bound(saving=Saving(join=join_ycrcb))
    (found,) = fuse([scene((21, 14))], model=model, color="authors")
    assert found["fused"].dtype == np.uint8
    spread = np.ptp(found["fused"].astype(int), axis=-1)
    assert spread[:ROWS].max() <= 1
    assert spread[ROWS:].max() > 50
