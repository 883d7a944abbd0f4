"""PFCFuse with its authors' weights: the original's stored outputs, and what TTD promises of it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from tests.networks.golden import Golden
from tests.parts.in_windows import kept, options_of
from ttd_jax.networks import lookup
from ttd_jax.networks.cddfuse import CDDFuse
from ttd_jax.networks.cddfuse.blocks import RestormerBlock
from ttd_jax.networks.folding import fold
from ttd_jax.networks.pfcfuse import PFCFuse, PoolingBlock
from ttd_jax.parts import WindowFuser, tiles
from ttd_jax.parts.part import WHOLE
from ttd_jax.weights.convert import convert_checkpoint

torch = pytest.importorskip("torch")
from ttd_jax.benchmarks.twins import cddfuse as twin

SPEC = lookup("pfcfuse")
RESIDUALS = {"vi": "first", "sum": "sum", "none": "none"}  # there and here
BLOCK = RestormerBlock(jax.lax.Precision.HIGHEST)

pytestmark = pytest.mark.usefixtures("quick_compilation", "one_torch_thread")


@pytest.fixture(scope="module")
def checkpoint(shared):
    return shared / "weights/pfcfuse/PFCFuse_IVF.pth"


@pytest.fixture(scope="module")
def model(checkpoint):
    return convert_checkpoint(SPEC, checkpoint)[0]


@pytest.fixture(scope="module")
def golden(shared):
    return Golden(shared, "pfcfuse", "random_odd_17x22")


def _pictures(golden):
    return jnp.stack([golden.picture("vi"), golden.picture("ir")])


@pytest.fixture(scope="module")
def everything(model, golden):
    return _everything(model, _pictures(golden))


def _blocks(params, x):
    """What each of four blocks makes of what the one before it gave."""
    found = []
    for index in range(4):
        found.append(x := BLOCK.apply({"params": params[f"block{index}"]}, x))
    return found


def _branches(params, x):
    """What the first block adds to its input, then to that."""

    def both(block, x):
        attended = block.attention(block.qkv(block.norm1(x)))
        return attended, block.feed_forward(block.norm2(x + attended))

    return BLOCK.apply({"params": params["block0"]}, x, method=both)


@jax.jit
def _everything(model, x):
    """What the golden data holds of a scene, as one program: what repeats is computed once."""
    features, fusion = model.encode(x), ttd_jax.dynamic_fuse(model, x)
    found = {"fused_baseline_vi": ttd_jax.static_fuse(model, x).image, "fused_ttd_vi": fusion.image}
    twice = model.solo(x, features, copies=2)
    alone = jax.vmap(lambda feature, own: model.decode(feature, own[None]))(features, x)
    for index, name in enumerate(("vi", "ir")):
        found |= {
            f"base_{name}": features["base"][index],
            f"detail_{name}": features["detail"][index],
            f"component_{name}": fusion.components[index],
            f"component_twice_{name}": twice[index],
            f"loss_{name}": fusion.losses[index, ..., None],
            f"rd_{name}": fusion.dominability[index, ..., None],
            f"phase1_{name}_hat": alone[index],
        }

    inside = functools.partial(model.module.apply, model.variables)
    encoder, decoder = model.params["encoder"], model.params["decoder"]
    found["embed_vi"] = inside(x[0], method=lambda m, x: m.encoder.embedded(x, WHOLE))
    *blocks, shared = _blocks(encoder["blocks"], found["embed_vi"])
    found |= {f"block{index}_vi": block for index, block in enumerate(blocks)}
    found["attn0_vi"], found["ffn0_vi"] = _branches(encoder["blocks"], found["embed_vi"])
    found["shared_vi"] = shared
    found["base_pooling_vi"] = inside(shared, method=lambda m, x: m.encoder.base.pooling(x, WHOLE))
    pooled = shared + encoder["base"]["pool_scale"] * found["base_pooling_vi"]
    found["base_mlp_vi"] = inside(pooled, method=lambda m, x: m.encoder.base.mlp(x))

    weights = jnp.ones(x.shape[:3]), 2 * fusion.dominability
    static, dynamic = (model.merge(features, each) for each in weights)
    parts = static["base"], static["detail"]
    reduced = inside(*parts, method=lambda m, b, d: m.decoder.reduced(b, d, WHOLE))
    blocks = _blocks(decoder["blocks"], reduced)
    found |= {"baseline_reduced": reduced, "dec_block0": blocks[0], "dec_block3": blocks[-1]}
    found["dec_output_conv"] = inside(blocks[-1], method=lambda m, x: m.decoder.output(x, WHOLE))

    for run, latent in (("baseline", static), ("ttd", dynamic)):
        found |= {f"{run}_FB": latent["base"], f"{run}_FD": latent["detail"]}
        for name, residual in RESIDUALS.items():
            variant = model.replace(module=model.module.clone(residual=residual))
            raw = variant.decode(latent, x)
            found |= {f"fused_{run}_{name}_raw": raw, f"fused_{run}_{name}": model.finish(raw)}
    equal = ttd_jax.dynamic_fuse(model, x, losses=jnp.full(x.shape[:3], 0.3))
    return found, equal.image


def test_every_stored_array_matches_the_original(everything, golden):
    found, _ = everything
    for key, array in found.items():
        golden.check(key, array)
    exact = {key for key in golden if key.endswith(("_meanstd", "_f64", "_u8"))}
    assert set(found) == set(golden) - {"vi", "ir", "shared_ir"} - exact


def test_equal_losses_give_the_static_fusion_and_dominability_sums_to_one(everything):
    found, equal = everything
    np.testing.assert_allclose(equal, found["fused_baseline_vi"], atol=1e-6)
    np.testing.assert_allclose(found["rd_vi"] + found["rd_ir"], 1, atol=1e-6)


@torch.no_grad()
def test_torch_twin_is_the_original(checkpoint, golden):
    state = twin.flatten(torch.load(checkpoint, map_location="cpu", weights_only=True))
    sources = torch.from_numpy(np.array(_pictures(golden))).movedim(-1, 1)
    features = twin.encode(state, sources)
    components = twin.components(state, features)
    rd = twin.dominability(sources, components)
    fused = twin.stretch(twin.fused(state, features, sources[:1], 2 * rd))
    for key, array in (
        ("base_vi", features[0][0]),
        ("component_ir", components[1]),
        ("fused_ttd_vi", fused[0]),
    ):
        golden.check(key, array.movedim(0, -1))


def test_batches_of_larger_arrays_give_what_the_original_gave(model, golden):
    arrays = np.random.default_rng(0).random((2, 2, 20, 23, 1), np.float32)
    arrays[1, :, :17, :22] = _pictures(golden)

    def fuse(arrays, extent):
        return ttd_jax.dynamic_fuse(model, arrays, extent=extent)

    batch = jax.jit(jax.vmap(fuse))(arrays, jnp.array([[9, 23], [17, 22]]))
    fusion = jax.tree.map(lambda leaf: leaf[1], batch)
    golden.check("fused_ttd_vi", fusion.image[:17, :22])
    for index, name in enumerate(("vi", "ir")):
        golden.check(f"component_{name}", fusion.components[index, :17, :22])
        golden.check(f"loss_{name}", fusion.losses[index, :17, :22, None])
        golden.check(f"rd_{name}", fusion.dominability[index, :17, :22, None])


def test_tiles_of_windows_give_what_the_original_gave_and_its_authors_saved(
    model, shared, monkeypatch
):
    monkeypatch.setattr(tiles, "SIZE", (32, 32))
    golden = Golden(shared, "pfcfuse", "msrs_64x80")
    sources = np.asarray(_pictures(golden))
    fuser = WindowFuser(model, options_of(sources, None, save=("fused",)))
    image = kept(fuser, sources, rows=40)[0]["fused"]
    golden.check("fused_baseline_vi", image)
    off = np.abs(
        (255 * image[..., 0]).astype(np.uint8).astype(int) - golden["fused_baseline_vi_u8"]
    )
    assert off.max() <= 1
    assert np.mean(off > 0) < 0.003
    assert SPEC.quantize == "truncate"


def test_gradients_reach_every_parameter_and_pixel_of_the_block():
    x = jax.random.normal(jax.random.key(0), (5, 4, 64))
    variables = PoolingBlock().init(jax.random.key(1), x)

    @jax.jit
    @functools.partial(jax.grad, argnums=(0, 1))
    def slopes(variables, x):
        return jnp.sum(jnp.sin(PoolingBlock().apply(variables, x)))

    for leaf in jax.tree.leaves(slopes(variables, x)):
        assert np.isfinite(leaf).all()
        assert np.abs(leaf).max() > 0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes(variables, 0 * x)))


# CDDFuse with another block -------------------------------------------------------------------


def test_all_but_the_base_blocks_is_of_cddfuse():
    own, others = SPEC.layout.table, lookup("cddfuse_ivf").layout.table
    assert len(own) == 152
    assert len(own.keys() & others.keys()) == 144
    assert all(own[key] == others[key] for key in own.keys() & others.keys())
    assert issubclass(PFCFuse, CDDFuse)
    assert SPEC.build().residual == "first"
    assert SPEC.build(residual="none").residual == "none"


def test_folding_changes_nothing(model):
    folded = fold(model)
    assert folded.module.folded
    assert folded.variables is model.variables


def test_sources_that_do_not_fit_are_refused(model):
    with pytest.raises(ValueError, match="PFCFuse takes sources of one channel"):
        model.encode(jnp.zeros((2, 1, 8, 1)))
