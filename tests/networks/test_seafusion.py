"""SeAFusion with its author's weights: the original's stored outputs, and what TTD promises."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from tests.networks.golden import Golden
from tests.parts.in_windows import fuse_in_windows
from ttd_jax.networks import lookup
from ttd_jax.networks.folding import fold
from ttd_jax.parts import tiles
from ttd_jax.weights.convert import convert_checkpoint, convert_tensors

torch = pytest.importorskip("torch")
from ttd_jax.benchmarks.twins import seafusion as twin
from ttd_jax.benchmarks.twins.random_state import random_state

SPEC = lookup("seafusion")
NAMES = ("vi", "ir")
CASES = ("msrs_64x80", "random_odd_17x22")

pytestmark = pytest.mark.usefixtures("quick_compilation", "one_torch_thread")


@pytest.fixture(scope="module")
def checkpoint(shared):
    return shared / "weights/seafusion/SeAFusion.pth"


@pytest.fixture(scope="module")
def model(checkpoint):
    return convert_checkpoint(SPEC, checkpoint)[0]


@pytest.fixture(scope="module", params=CASES)
def golden(request, shared):
    return Golden(shared, "seafusion", request.param)


def _pictures(golden):
    return jnp.stack([golden.picture(name) for name in NAMES])


@jax.jit
def _everything(model, x):
    """What the golden data holds of a scene, and the fusion by equal losses."""
    inside = functools.partial(model.module.apply, model.variables)

    def blocks(stream, x):
        conv = stream.conv(x)
        dense, gradients = stream.block1.dense(conv), stream.block1.gradients(conv)
        return {"conv": conv, "dense1": dense, "sobel1": gradients, "rgbd1": stream.block1(conv)}

    fusion, static = ttd_jax.dynamic_fuse(model, x), ttd_jax.static_fuse(model, x)
    found = {"fused_raw": static.image, "fused_ttd_raw": fusion.image}
    features = model.encode(x)
    alone = jax.vmap(lambda own: model.decode(jnp.concatenate(own, axis=-1), None))
    none = jnp.zeros_like(features[0])
    once, twice = (
        alone(s * jnp.stack([jnp.stack([features[0], none]), jnp.stack([none, features[1]])]))
        for s in (1, 2)
    )
    for index, (name, stream) in enumerate(zip(NAMES, ("visible", "infrared"), strict=True)):
        seen = inside(x[index], method=lambda m, x, s=stream: blocks(getattr(m, s), x))
        found |= {f"{key}_{name}": array for key, array in seen.items()}
        found |= {
            f"enc_{name}": features[index],
            f"component_{name}": fusion.components[index],
            f"component_{name}_alone": once[index],
            f"component_twice_{name}_alone": twice[index],
            f"loss_{name}": fusion.losses[index, ..., None],
            f"rd_{name}": fusion.dominability[index, ..., None],
        }
    latent = model.merge(features, jnp.ones(x.shape[:3]))
    for name in ("decode4", "decode3", "decode2"):
        latent = inside(latent, method=lambda m, x, name=name: getattr(m, name)(x))
        found[f"dec_{name}"] = latent
    equal = ttd_jax.dynamic_fuse(model, x, losses=jnp.full(x.shape[:3], 0.3))
    return found, equal.image


def test_every_block_is_the_originals_equal_losses_give_the_static_fusion(
    model, golden, monkeypatch
):
    monkeypatch.setattr(tiles, "SIZE", (1000, 1000))
    found, equal = _everything(model, _pictures(golden))
    for key, array in found.items():
        golden.check(key, array)
    np.testing.assert_allclose(equal, found["fused_raw"], atol=1e-6)
    np.testing.assert_allclose(found["rd_vi"] + found["rd_ir"], 1, atol=1e-6)


def _check(golden, fusion):
    height, width = golden["vi"].shape
    golden.check("fused_ttd_raw", fusion.image[:height, :width])
    for index, name in enumerate(NAMES):
        golden.check(f"component_{name}", fusion.components[index, :height, :width])
        golden.check(f"loss_{name}", fusion.losses[index, :height, :width, None])
        golden.check(f"rd_{name}", fusion.dominability[index, :height, :width, None])


def test_batches_of_larger_arrays_give_what_the_original_gave(model, shared):
    golden = Golden(shared, "seafusion", "random_odd_17x22")
    arrays = np.full((2, 2, 20, 23, 1), 0.6, np.float32)
    arrays[1, :, :17, :22] = _pictures(golden)

    def fuse(arrays, extent):
        return ttd_jax.dynamic_fuse(model, arrays, extent=extent)

    batch = jax.jit(jax.vmap(fuse))(arrays, jnp.array([[1, 1], [17, 22]]))
    _check(golden, jax.tree.map(lambda leaf: leaf[1], batch))
    assert 0 < batch.image[0, 0, 0, 0] < 1  # one pixel is a picture
    assert SPEC.min_size == 1


def test_tiles_of_windows_give_what_the_original_gave_and_its_author_saved(
    model, shared, monkeypatch
):
    monkeypatch.setattr(tiles, "SIZE", (32, 32))
    golden = Golden(shared, "seafusion", "msrs_64x80")
    found = fuse_in_windows(model, np.asarray(_pictures(golden)), model.settings, rows=40)
    _check(golden, found)
    cb, cr = golden["vi_cb"] - 0.5, golden["vi_cr"] - 0.5
    luma = found.image[..., 0]
    red, green, blue = luma + 1.403 * cr, luma - 0.714 * cr - 0.344 * cb, luma + 1.773 * cb
    rgb = np.stack([red, green, blue]).clip(0, 1)
    np.testing.assert_allclose(rgb, golden["fused_ttd_rgb"], rtol=0, atol=1e-5)
    assert SPEC.quantize == "truncate"


@torch.no_grad()
def test_twin_equals_the_original(checkpoint, golden):
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    vi, ir = torch.from_numpy(np.array(_pictures(golden))).movedim(-1, 1).unsqueeze(1)
    features = twin.encode(state, vi, "vis"), twin.encode(state, ir, "inf")
    golden.check("enc_ir", features[1][0].movedim(0, -1))
    golden.check("fused_raw", twin.decode(state, *features)[0].movedim(0, -1))
    same = twin.encode(state, vi, "vis"), twin.encode(state, vi, "inf")
    golden.check("component_vi", twin.decode(state, *same)[0].movedim(0, -1))


def test_gradients_reach_every_parameter_and_source(model):
    def error(model, x):
        latent = model.merge(model.encode(x), jnp.ones(x.shape[:3]))
        return jnp.mean(jnp.square(model.decode(latent, None) - 0.3))

    x = jnp.asarray(np.random.default_rng(0).random((2, 5, 4, 1), np.float32))
    for leaf in jax.tree.leaves(jax.jit(jax.grad(error, argnums=(0, 1)))(model, x)):
        assert np.isfinite(leaf).all()
        assert np.abs(leaf).max() > 0


@pytest.mark.parametrize("shape", [(1, 4, 4, 1), (3, 4, 4, 1), (2, 4, 4, 3)])
def test_other_shapes_are_refused(model, shape):
    with pytest.raises(ValueError, match="SeAFusion takes exactly two sources"):
        model.encode(jnp.zeros(shape))


# Checkpoints ----------------------------------------------------------------------------------


def test_norms_that_are_never_called_may_be_there_and_may_lack(checkpoint):
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    assert len(state) == 72
    bare = {key: tensor for key, tensor in state.items() if ".bn." not in key}
    assert set(bare) == set(SPEC.layout.table)
    assert set(state) - set(bare) - SPEC.layout.unused == {
        f"decode{level}.bn.num_batches_tracked" for level in (1, 2, 3, 4)
    }
    for tensors in (state, bare):
        convert_tensors(SPEC, tensors, name="it")
    with pytest.raises(ValueError, match=r"unexpected keys: 1 \(decode5\.bn\.weight\)"):
        convert_tensors(SPEC, random_state(SPEC) | {"decode5.bn.weight": torch.ones(1)}, name="it")


def test_folding_changes_nothing(model):
    assert fold(model).variables is model.variables
