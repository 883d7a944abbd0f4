"""DenseFuse against the original's stored outputs, a torch twin, and what TTD promises of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from tests.networks.golden import Golden
from tests.networks.promises import check_promises, check_ways, quick_jit, scene
from tests.random_models import random_model
from ttd_jax.core.dominability import fusion_weights
from ttd_jax.core.quantization import quantize
from ttd_jax.networks import lookup
from ttd_jax.parts import tiles
from ttd_jax.weights.convert import convert_tensors

torch = pytest.importorskip("torch")
from ttd_jax.benchmarks.twins import densefuse as twin
from ttd_jax.benchmarks.twins.random_state import random_state

pytestmark = pytest.mark.usefixtures("one_torch_thread", "quick_compilation")

CASES = {
    "msrs_64x80": "densefuse_gray",
    "random_odd_17x22": "densefuse_gray",
    "rgb_model_msrs_64x80": "densefuse_rgb",
}


def _read(shared, name):
    path = shared / "weights" / "densefuse" / f"{name}.model"
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    return lookup(name).bind(convert_tensors(lookup(name), tensors, name=name)[0])


def _sources(golden):
    """In [0, 255]."""
    if "vi" in golden:
        return np.stack([golden.picture("vi"), golden.picture("ir")])
    gray = golden["ir_u8"][..., None].repeat(3, axis=-1)
    return np.float32(np.stack([golden["vi_rgb_u8"], gray]))


def _seen(model, method, x, names):
    """What a method gives, and what layers by these names gave within."""
    found, state = model.module.apply(
        model.variables,
        *x,
        method=method,
        capture_intermediates=lambda module, _: module.name in names,
    )
    return found, [state["intermediates"][name]["__call__"][0] for name in names]


@quick_jit
def _blocks(model, sources):
    """All that the golden data holds of a scene; of both sources where its key has an 'm'."""
    x = model.prepare(sources)
    features, layers = _seen(model, "encode", (x,), ("conv1", "dense_0", "dense_1"))
    joined = [jnp.concatenate(layers[:count], axis=-1) for count in (2, 3)]
    merged = model.merge(features, jnp.ones(x.shape[:3]))
    names = ("conv2", "conv3", "conv4")
    fused, decoded = _seen(model, "decode", (merged, None), names)
    dynamic = ttd_jax.dynamic_fuse(model, sources)
    weighed = model.merge(features, fusion_weights(dynamic.dominability))
    both = {
        **dict(
            zip(("conv1", "dense1", "dense2", "enc"), (layers[0], *joined, features), strict=True)
        ),
        "component_raw": model.solo(x, features),
        "component_twice_raw": model.decode(2 * features, None),
        "component_half_raw": model.decode(features / 2, None),
        "loss": dynamic.losses[..., None],
        "rd": dynamic.dominability[..., None],
    }
    once = {
        "merged": merged,
        **dict(zip([f"dec_{name}" for name in names], decoded, strict=True)),
        "fused_raw": fused,
        "fused_sum_raw": model.decode(2 * merged, None),
        "fused_ttd_raw": model.decode(weighed, None),
        "fused_ttd_sum_raw": model.decode(2 * weighed, None),
    }
    images = {"fused_u8": ttd_jax.static_fuse(model, sources).image, "fused_ttd_u8": dynamic.image}
    return both, once, images


@pytest.mark.parametrize("case", CASES)
def test_every_block_matches_the_original(shared, monkeypatch, case):
    monkeypatch.setattr(tiles, "SIZE", (1000, 1000))  # within tiles nothing is captured
    golden = Golden(shared, "densefuse", case)
    both, once, images = _blocks(_read(shared, CASES[case]), _sources(golden) / np.float32(255))
    for key, pair in both.items():
        for source, found in zip(("vi", "ir"), pair, strict=True):
            name, *raw = key.rsplit("_raw", 1)
            golden.check(f"{name}_{source}{'_raw' if raw else ''}", found)
    for key, found in once.items():
        golden.check(key, found)
    for key, image in images.items():
        off = np.abs(np.int32(quantize(image, how="truncate")) - golden[key].reshape(image.shape))
        assert off.max() <= 1
        assert np.count_nonzero(off) <= 2


@torch.no_grad()
def test_blocks_equal_the_twin_at_odd_sizes():
    model, state = random_model("densefuse_rgb"), random_state(lookup("densefuse_rgb"))
    x = 255 * scene(2, 13, channels=3, count=3)
    features = quick_jit(lambda m, x: m.encode(x))(model, x)
    theirs = twin.encode(state, torch.from_numpy(np.moveaxis(x, -1, 1)))
    np.testing.assert_allclose(np.moveaxis(features, -1, 1), theirs, atol=1e-3)
    found = np.moveaxis(quick_jit(lambda m, f: m.decode(f, None))(model, features), -1, 1)
    np.testing.assert_allclose(found, twin.decode(state, theirs), atol=1e-3)
    assert np.ptp(found) > 10


def test_fusion_keeps_what_ttd_promises():
    check_promises(random_model("densefuse_gray"))


def test_every_way_to_compute_gives_the_same(monkeypatch):
    model = random_model("densefuse_gray")
    check_ways(model, [(29, 18), (30, 17)], monkeypatch, rows=27)


def test_copies_of_a_source_are_the_source():
    model = random_model("densefuse_gray")
    x = model.prepare(scene(6, 7))
    features = jax.jit(lambda m, x: m.encode(x))(model, x)
    alone, copies = (model.solo(x, features, copies=count) for count in (1, 3))
    np.testing.assert_array_equal(copies, alone)


@pytest.mark.parametrize(
    ("name", "shape"), [("densefuse_gray", (2, 1, 8, 1)), ("densefuse_rgb", (2, 8, 1, 3))]
)
def test_pictures_of_one_row_are_refused(name, shape):
    with pytest.raises(ValueError, match=r"DenseFuse takes .* at least 2x2 pixels: got shape"):
        ttd_jax.dynamic_fuse(random_model(name), np.zeros(shape, np.float32))
