"""MUFusion against the original's stored outputs with its authors' weights, and a torch twin."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from tests.compilation import quick_jit
from tests.networks.golden import Golden
from tests.parts.in_windows import fuse_in_windows
from tests.random_models import random_model
from ttd_jax.networks import Reach, lookup, mufusion, networks
from ttd_jax.parts import tiles
from ttd_jax.parts.part import WHOLE
from ttd_jax.weights.convert import convert_tensors

torch = pytest.importorskip("torch")
from ttd_jax.benchmarks.twins import mufusion as twins
from ttd_jax.benchmarks.twins.random_state import random_state

KEYS = {  # of the golden data
    "mufusion_roadscene": "fused_raw_roadscene",
    "mufusion_tno": "fused_raw_tno",
    "mufusion_medical": "fused_raw_harvard",
    "mufusion_exposure": "fused_raw_multi_exposure",
    "mufusion_focus": "fused_raw_multi_focus",
}
ATOL = 2e-6

_static_fuse = quick_jit(ttd_jax.static_fuse)


@quick_jit
def _raw(variables, sources, extent=None):
    """The static fusion, not clipped; all networks share it."""
    model = lookup("mufusion_tno").bind(variables)
    model = model if extent is None else model.within(extent)
    x = model.prepare(sources)
    return model.decode(model.merge(model.encode(x), jnp.ones(x.shape[:3])), x)


@quick_jit
def _blocks(variables, sources):
    """Every layer's result, by its name in the authors' code."""

    def layers(m, x):
        enc1, enc2, _ = m._encode(x, WHOLE.halved())
        enc3 = m.shrink(mufusion._halve(x), WHOLE.halved())
        enc4 = m.conv4(enc3)
        enc5 = m.conv5(enc3, enc4)
        enc6 = m.conv6(enc3, enc4, enc5)
        dec6 = m.conv66(enc6)
        dec5 = m.conv55(enc5, dec6)
        dec4 = m.conv44(enc4, dec5)
        dec3 = m.conv33(enc3, dec4)
        up = mufusion._upsample(WHOLE.pad(dec3, "edge", 2))
        encoded = {"enc1": enc1, "enc2": enc2, "enc3": enc3, "enc4": enc4, "enc5": enc5}
        decoded = {"enc6": enc6, "dec6": dec6, "dec5": dec5, "dec4": dec4, "dec3": dec3}
        return {**encoded, **decoded, "dec3_up": up, "dec2": m.conv22(enc2, up)}

    x = mufusion._side_by_side(sources)
    return mufusion.MUFusion().apply(variables, x, method=layers)


@pytest.fixture(scope="module")
def variables(shared):
    """`variables(name)`: the authors'."""

    @functools.cache
    def read(name):
        spec = lookup(name)
        path = shared / "weights" / "mufusion" / spec.checkpoint
        return convert_tensors(spec, torch.load(path, weights_only=True), name=name)[0]

    return read


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of the authors' so small that a small picture has several."""
    monkeypatch.setattr(mufusion, "TILE", 16)
    monkeypatch.setattr(mufusion, "STEP", 12)
    monkeypatch.setattr(twins, "_TILE", 16)
    monkeypatch.setattr(twins, "_STEP", 12)
    jax.clear_caches()
    yield
    jax.clear_caches()


def read(shared, case):
    golden = Golden(shared, "mufusion", case)
    return golden, np.stack([golden.picture("vi"), golden.picture("ir")])


def scene(height, width, seed=0):
    return np.random.default_rng(seed).random((2, height, width, 1), np.float32)


@pytest.mark.parametrize("case", ["msrs_64x80", "random_18x22"])
def test_every_block_matches_the_original(shared, variables, case):
    golden, sources = read(shared, case)
    for key, found in _blocks(variables("mufusion_roadscene"), sources).items():
        golden.check(key, found)
    for name, key in KEYS.items():
        golden.check(key, _raw(variables(name), sources))
    expected = np.clip(golden["fused_raw_tno"], 0, 1)
    model = lookup("mufusion_tno").bind(variables("mufusion_tno"))
    fused = ttd_jax.fuse(model, list(sources), strategy="static").image
    np.testing.assert_allclose(fused[..., 0], expected, atol=5e-6)


def test_every_way_to_compute_matches_the_original(shared, variables, monkeypatch):
    golden, sources = read(shared, "random_18x22")
    arrays = np.full((2, 23, 24, 1), 7, np.float32)
    arrays[:, :18, :22] = sources
    own = variables("mufusion_roadscene")
    found = _raw(own, arrays, jnp.array([18, 22]))
    golden.check("fused_raw_roadscene", found[:18, :22])
    monkeypatch.setattr(tiles, "SIZE", (6, 5))
    jax.clear_caches()
    golden.check("fused_raw_roadscene", _raw(own, sources))
    jax.clear_caches()


def test_a_picture_with_odd_sides_goes_through_its_authors_tiles(shared, variables):
    golden = Golden(shared, "mufusion", "tiled_odd_259x301")
    sources = np.stack([golden.picture("vi_u8"), golden.picture("ir_u8")]) / np.float32(255)
    fused = jax.jit(_raw.__wrapped__)(variables("mufusion_roadscene"), sources)
    np.testing.assert_allclose(fused[..., 0], golden["fused_tiled_roadscene"], atol=ATOL)


@pytest.mark.usefixtures("small_tiles")
def test_pictures_of_all_sizes_share_a_program_and_a_batch():
    """They are those of the twin: whole, or in tiles.

    Of these the last one begins at a regular start or at another one, and one side may be even.
    """
    model, state = random_model("mufusion_tno"), random_state(lookup("mufusion_tno"))
    sizes = [(41, 29), (28, 35), (17, 16), (24, 30)]
    arrays = np.full((len(sizes), 2, 43, 37, 1), 3, np.float32)
    for index, (height, width) in enumerate(sizes):
        arrays[index, :, :height, :width] = scene(height, width, seed=index)
    batch = quick_jit(jax.vmap(_raw.__wrapped__, in_axes=(None, 0, 0)))
    found = batch(model.variables, arrays, jnp.array(sizes))
    for image, (height, width), array in zip(found, sizes, arrays, strict=True):
        sources = array[:, :height, :width]
        expected = twins.fused(state, torch.tensor(sources[::-1, ..., 0].copy()[None]))[0, 0]
        np.testing.assert_allclose(image[:height, :width, 0], expected, atol=ATOL)
    assert sources.shape[1:3] == (24, 30)
    np.testing.assert_allclose(_raw(model.variables, sources)[..., 0], expected, atol=ATOL)


def test_a_side_without_room_for_a_tile_is_mirrored_by_one():
    model, sources = random_model("mufusion_tno"), scene(9, 10)
    longer = np.concatenate([sources, sources[:, 7:8]], axis=1)
    found, expected = _raw(model.variables, sources), _raw(model.variables, longer)
    np.testing.assert_allclose(found, expected[:9], atol=ATOL)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("size", [(151, 18), (150, 6)])
def test_windows_are_the_whole_picture(size):
    """Those of an odd picture hold whole tiles; of an even one they begin anywhere."""
    model, sources = random_model("mufusion_tno"), scene(*size)
    assert model.spec.reach.odd == Reach(0, 128, 124)
    reach = dataclasses.replace(model.spec.reach, odd=Reach(0, 16, 12))
    model = model.replace(spec=dataclasses.replace(model.spec, reach=reach))
    whole, windows = _static_fuse(model, sources), fuse_in_windows(model, sources, None, 70)
    for name in ("image", "components", "losses", "dominability"):
        np.testing.assert_allclose(getattr(windows, name), getattr(whole, name), atol=ATOL)


def test_components_are_one_picture_on_both_inputs():
    model, sources = random_model("mufusion_tno"), scene(10, 12)
    found = _static_fuse(model, sources)
    for component, source in zip(found.components, sources, strict=True):
        expected = _raw(model.variables, np.stack([source, source]))
        np.testing.assert_allclose(component, expected, atol=ATOL)
    assert float(jnp.ptp(found.losses)) > 0


def test_gradients_are_finite_and_those_of_larger_arrays():
    model, sources = random_model("mufusion_tno"), scene(9, 12)

    def slope(sources, *extent):
        def total(variables):
            image = _raw.__wrapped__(variables, sources, *extent)
            return jnp.sum(jnp.square(image[:9, :12]))

        return quick_jit(jax.grad(total))(model.variables)

    found = slope(sources)
    larger = slope(np.pad(sources, [(0, 0), (0, 3), (0, 2), (0, 0)]), jnp.array([9, 12]))
    for own, other in zip(jax.tree.leaves(found), jax.tree.leaves(larger), strict=True):
        assert np.isfinite(own).all()
        assert np.abs(own).max() > 0
        np.testing.assert_allclose(other, own, atol=1e-5 * np.abs(own).max())


def test_its_networks_differ_in_their_weights_alone():
    names = [name for name in networks() if name.startswith("mufusion")]
    assert names == list(KEYS)
    assert len({lookup(name).checkpoint for name in names}) == len(names)
    with pytest.raises(ttd_jax.UserError, match="exactly two sources of one channel"):
        ttd_jax.static_fuse(random_model("mufusion_tno"), np.zeros((2, 2, 9, 1), np.float32))
