"""DIDFuse against the original's stored outputs, a torch twin, and what TTD promises of it."""

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
from ttd_jax.networks import Network, lookup
from ttd_jax.networks.folding import fold
from ttd_jax.parts import tiles
from ttd_jax.weights.convert import convert_tensors

torch = pytest.importorskip("torch")
from ttd_jax.benchmarks.twins import didfuse as twin
from ttd_jax.benchmarks.twins.random_state import random_state

pytestmark = pytest.mark.usefixtures("one_torch_thread", "quick_compilation")

NAMES = ("f1", "f2", "base", "detail")
SPEC = lookup("didfuse")


@pytest.fixture(scope="module")
def trained(shared):
    tensors = {}
    for part in ("Encoder", "Decoder"):
        path = shared / "weights" / "didfuse" / f"{part}_weight_IJCAI.pkl"
        tensors |= torch.load(path, map_location="cpu", weights_only=True)["weight"]
    tensors = {k: v for k, v in tensors.items() if not k.endswith("num_batches_tracked")}
    return SPEC.bind(convert_tensors(SPEC, tensors, name="didfuse")[0])


def _seen(model, method, x, *paths):
    """What a method gives, and what layers gave within."""
    names = {path[-1] for path in paths}
    found, state = model.module.apply(
        model.variables,
        *x,
        method=method,
        capture_intermediates=lambda module, _: module.name in names,
    )
    layers = []
    for path in paths:
        layer = state["intermediates"]
        for name in path:
            layer = layer[name]
        layers.append(layer["__call__"][0])
    return found, layers


@quick_jit
def _blocks(model, x):
    """All that the golden data holds of a scene; of both sources where its key has an 'm'."""
    features, (convolved,) = _seen(model, "encode", (x,), ("cov1", "conv"))
    merged = model.merge(features, jnp.ones(x.shape[:3]))
    fused, layers = _seen(model, "decode", (merged, None), ("cov5",), ("cov6",), ("cov7", "conv"))
    dynamic = ttd_jax.dynamic_fuse(model, x)
    weighed = model.merge(features, fusion_weights(dynamic.dominability))
    both = {
        **features,
        "component": model.solo(x, features),
        "component_twice": model.solo(x, features, copies=2),
        "loss": dynamic.losses[..., None],
        "rd": dynamic.dominability[..., None],
    }
    once = {
        "cov1_conv_vi": convolved[0],
        **{f"merged_{name}": merged[name] for name in NAMES},
        **dict(zip(("dec_cov5", "dec_cov6", "dec_cov7_conv"), layers, strict=True)),
        "fused_raw": fused,
        "fused_average_raw": model.decode(jax.tree.map(lambda leaf: leaf / 2, merged), None),
        **{f"ttd_{name}": weighed[name] for name in NAMES},
        "fused_ttd_raw": dynamic.image,
    }
    return both, once


@pytest.mark.parametrize("case", ["msrs_64x80", "random_odd_17x22"])
def test_every_block_matches_the_original(shared, trained, monkeypatch, case):
    monkeypatch.setattr(tiles, "SIZE", (1000, 1000))  # within tiles nothing is captured
    golden = Golden(shared, "didfuse", case)
    both, once = _blocks(trained, np.stack([golden.picture("vi"), golden.picture("ir")]))
    for key, pair in both.items():
        for source, found in zip(("vi", "ir"), pair, strict=True):
            golden.check(f"{key}_{source}", found)
    for key, found in once.items():
        golden.check(key, found)
    for key, image in (("fused", once["fused_raw"]), ("fused_ttd", once["fused_ttd_raw"])):
        off = np.abs(np.int32(quantize(image, how=SPEC.quantize)[..., 0]) - golden[f"{key}_u8"])
        assert off.max() <= 1
        assert np.count_nonzero(off) <= 1


def test_folded_network_matches_the_original_in_tiles(shared, trained):
    golden = Golden(shared, "didfuse", "msrs_64x80")
    sources = np.stack([golden.picture("vi"), golden.picture("ir")])
    found = quick_jit(ttd_jax.dynamic_fuse)(fold(trained), sources)
    golden.check("fused_ttd_raw", found.image)
    for index, source in enumerate(("vi", "ir")):
        golden.check(f"component_{source}", found.components[index])
        golden.check(f"rd_{source}", found.dominability[index, ..., None])


@torch.no_grad()
def test_blocks_equal_the_twin_at_odd_sizes():
    model, state = random_model("didfuse"), random_state(SPEC)
    x = scene(2, 13, count=3)
    features = quick_jit(lambda m, x: m.encode(x))(model, x)
    theirs = twin.encode(state, torch.from_numpy(np.moveaxis(x, -1, 1)))
    for name, expected in zip(NAMES, theirs, strict=True):
        found = np.moveaxis(features[name], -1, 1)
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=name)
    found = np.moveaxis(quick_jit(lambda m, f: m.decode(f, None))(model, features), -1, 1)
    np.testing.assert_allclose(found, twin.decode(state, theirs), atol=1e-5)
    assert np.ptp(found) > 0.01


def test_fusion_keeps_what_ttd_promises():
    check_promises(fold(random_model("didfuse")))


def test_every_way_to_compute_gives_the_same(monkeypatch):
    check_ways(fold(random_model("didfuse")), [(21, 12), (22, 11)], monkeypatch, rows=20)


def test_copies_of_a_source_are_what_the_default_decodes():
    model = random_model("didfuse")
    x = scene(6, 7)

    @quick_jit
    def both(model, x):
        features = model.encode(x)
        default = model.module.apply(model.variables, x, features, copies=3, method=Network.solo)
        return model.solo(x, features, copies=3), default

    np.testing.assert_allclose(*both(model, x), atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 1, 8, 1), (2, 8, 1, 1)])
def test_pictures_of_one_row_are_refused(shape):
    with pytest.raises(ValueError, match=r"DIDFuse takes .* at least 2x2 pixels, .* got shape"):
        ttd_jax.dynamic_fuse(random_model("didfuse"), np.zeros(shape, np.float32))
