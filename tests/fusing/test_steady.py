"""Frames that follow each other, with losses that carry on."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from tests.parts.in_windows import options_of
from tests.small_networks import IN_PARTS, LOCAL, bound, untried
from ttd_jax.core.steadiness import mix_losses
from ttd_jax.fusing.steady import CARRIED, SteadyFuser, fuse_frames
from ttd_jax.parts import WindowFuser, WindowPlan, empty_maps
from ttd_jax.pictures.batches import Batch, Frame
from ttd_jax.pictures.images import Picture
from ttd_jax.pictures.motion import Motion

SIZE, COUNT = (18, 15), 4
MEMORY = 2**32


@pytest.fixture(scope="module", autouse=True)
def _quickly(quick_compilation):
    """Programs here run a few times on few pixels."""


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    pictures = [
        [Picture(rng.integers(0, 256, (*SIZE, c), np.uint8)) for c in (3, 1)] for _ in "abcd"
    ]
    return {slot: (f"frame {slot}", own) for slot, own in enumerate(pictures)}


@pytest.fixture(scope="module")
def motions():
    rng = np.random.default_rng(1)
    shift = rng.normal(size=(COUNT, 1, 1, 2)).astype(np.float32)
    flows = np.broadcast_to(shift, (COUNT, *SIZE, 2))
    masks = rng.random((COUNT, *SIZE)) < 0.7
    masks[0] = masks[2] = False  # the first frame, and a cut
    return {t: Motion(flows[t], masks[t], cut=t == 2) for t in range(COUNT)}


def steady(smooth=0.75, spec=LOCAL, save=("fused", "losses")):
    model = bound(spec)
    options = {"color": "auto", "save": save, "memory": MEMORY}
    return SteadyFuser(model, model.settings, smooth=smooth, **options)


def batch_of(count):
    return Batch(
        tuple(range(count)), count, Frame(SIZE, shared=False), (True, False), (SIZE,) * count
    )


def in_batches(fuser, frames, motions, count):
    results, carried = [], None
    for start in range(0, COUNT, count):
        slots = range(min(count, COUNT - start))
        own = [{slot: given[start + slot] for slot in slots} for given in (frames, motions)]
        found, carried = fuser.fuse(batch_of(count), *own, carried)
        results += found
    return results


def test_results_do_not_depend_on_how_many_frames_a_batch_has(frames, motions):
    one, *others = (in_batches(steady(), frames, motions, count) for count in (1, 3))
    for other in others:
        for mine, its in zip(one, other, strict=True):
            for name in ("fused", "losses", "mean_dominability"):
                np.testing.assert_allclose(mine[name], its[name], atol=1e-6)
            for name in CARRIED[1:]:
                np.testing.assert_allclose(mine["flicker"][name], its["flicker"][name], atol=1e-6)


def test_losses_carry_on_and_begin_anew_where_the_motion_is_not_known(frames, motions):
    alone = in_batches(steady(smooth=0.0), frames, motions, 1)
    found = in_batches(steady(smooth=0.75), frames, motions, 1)
    for t, motion in motions.items():
        anew = ~motion.mask
        np.testing.assert_array_equal(found[t]["losses"][:, anew], alone[t]["losses"][:, anew])
        if motion.mask.any():
            assert (found[t]["losses"] != alone[t]["losses"])[:, motion.mask].mean() > 0.9
    assert np.isnan(found[2]["flicker"]["luma"])
    assert found[3]["flicker"]["dominability"] < alone[3]["flicker"]["dominability"]


def test_losses_are_carried_once_and_not_for_each_frame_of_a_batch():
    shape = jax.ShapeDtypeStruct
    maps, plane = (shape(s, jnp.float32) for s in ((2, *SIZE), SIZE))
    model = bound(LOCAL)
    jaxpr = jax.make_jaxpr(
        functools.partial(fuse_frames, settings=model.settings, mode="gray", save=("fused",))
    )(
        model,
        [shape((COUNT, *SIZE, 1), jnp.float32)] * 2,
        None,
        None,
        dict(zip(CARRIED, (maps, maps, plane), strict=True)),
        shape((COUNT, *SIZE, 2), jnp.float32),
        shape((COUNT, *SIZE), jnp.bool_),
        shape((), jnp.float32),
    )
    scans = [equation for equation in jaxpr.eqns if equation.primitive.name == "scan"]
    (carried,) = {scan.outvars[0].aval.shape for scan in scans}
    assert carried == (2, *SIZE)


@pytest.mark.parametrize("spec", [LOCAL, IN_PARTS], ids=["local", "layered"])
def test_windows_carry_on_losses_as_whole_frames_do(spec, monkeypatch):
    untried(monkeypatch)
    rng, model = np.random.default_rng(2), bound(spec)
    sources = rng.random((2, 30, 8, 1), np.float32)
    carried, mask = rng.random((2, 30, 8), np.float32), rng.random((30, 8)) < 0.5
    whole = ttd_jax.dynamic_fuse(
        model, sources, losses=lambda own: mix_losses(carried, own, mask=mask, a=0.6)
    )
    options = options_of(sources, model.settings, smooth=0.6)
    maps = empty_maps(options, 2, (30, 8), np.float32)
    plan = WindowPlan(14, windows=0, steps=0, memory=0)
    WindowFuser(model, options)(list(sources), maps, plan, carried=(carried, mask))
    np.testing.assert_allclose(maps["losses"][..., 0], whole.losses, atol=1e-6)
    np.testing.assert_allclose(maps["fused"], whole.image, atol=1e-6)


def test_frames_that_do_not_fit_are_fused_in_windows(frames, motions, monkeypatch):
    untried(monkeypatch)
    whole = in_batches(steady(), frames, motions, 1)
    fuser = steady()
    monkeypatch.setattr(fuser, "_whole", lambda batch: None)
    for mine, other in zip(in_batches(fuser, frames, motions, 2), whole, strict=True):
        assert mine.keys() == other.keys() - {"mean_loss"}
        np.testing.assert_allclose(mine["losses"], other["losses"], atol=1e-6)
        np.testing.assert_allclose(mine["fused"], 255 * other["fused"], atol=0.505)
        np.testing.assert_allclose(mine["flicker"]["luma"], other["flicker"]["luma"], atol=5e-3)
