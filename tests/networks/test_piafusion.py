"""PIAFusion against the original's stored outputs, a torch twin, and what TTD promises of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from tests.compilation import quick_jit
from ttd_jax.core.color import rgb_to_ycbcr, ycbcr_to_rgb
from ttd_jax.networks import lookup
from ttd_jax.networks.piafusion import PIAFusion
from ttd_jax.parts import tiles
from ttd_jax.weights.convert import convert_checkpoint, convert_tensors

torch = pytest.importorskip("torch")
from ttd_jax.benchmarks.twins import piafusion as twins

CASES = ("msrs_night_72x96", "roadscene_odd_75x101")
ATOL = 1e-5

_static_fuse = quick_jit(ttd_jax.static_fuse)
_dynamic_fuse = quick_jit(ttd_jax.dynamic_fuse)


@quick_jit
def _raw(model, x):
    """The static fusion, neither restored nor clipped."""
    return model.decode(model.merge(model.encode(x), jnp.ones(x.shape[:-1])), x)


@pytest.fixture(scope="module", params=CASES)
def golden(request, shared):
    return np.load(shared / "golden/piafusion" / f"{request.param}.npz")


@pytest.fixture(scope="module")
def golden_checkpoint(shared):
    return shared / "golden/piafusion/piafusion_random.pth"


@pytest.fixture(scope="module")
def golden_model(golden_checkpoint):
    return convert_checkpoint(lookup("piafusion"), golden_checkpoint)[0]


@pytest.fixture(scope="module")
def twin():
    return twins.randomize(twins.PIAFusion(), seed=0)


@pytest.fixture(scope="module")
def model(twin):
    row = lookup("piafusion")
    return row.bind(convert_tensors(row, twin.state_dict(), name="twin")[0])


def _sources(height, width, seed=0):
    """Random f32[2, H, W, 1]: patches of eight pixels under fine noise."""
    rng = np.random.default_rng(seed)
    patches = rng.random((2, -(-height // 8), -(-width // 8), 1), dtype=np.float32)
    patches = patches.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width]
    return 0.8 * patches + 0.2 * rng.random(patches.shape, dtype=np.float32)


def _golden_sources(golden):
    return jnp.stack([golden["vi_y"], golden["ir"]])[..., None]


def _to_torch(sources):
    """f32[2, H, W, 1] as the two arguments [1, 1, H, W] of the twin."""
    visible, infrared = torch.from_numpy(np.array(sources[:, None, None, ..., 0]))
    return visible, infrared


# The original ---------------------------------------------------------------------------------


@pytest.mark.parametrize("tiled", [False, True])
def test_features_equal_the_original_at_every_block(golden_model, golden, monkeypatch, tiled):
    if not tiled:
        monkeypatch.setattr(tiles, "SIZE", (1000, 1000))
    features, stored = golden_model.module.apply(
        golden_model.variables,
        _golden_sources(golden),
        method="encode",
        capture_intermediates=lambda module, _: module.name in ("visible", "infrared"),
    )
    found = {"enc_vi": features[0], "enc_ir": features[1]}
    for level in () if tiled else (2, 3):  # within tiles nothing is captured
        # They are those before LeakyReLU and the exchange.
        for prefix, stream in (("vi", "visible"), ("ir", "infrared")):
            block = stored["intermediates"][f"level{level}"][stream]
            found[f"enc_{prefix}_conv{level}"] = block["__call__"][0]
    rows, columns = golden["sub_rows"], golden["sub_cols"]
    for name, block in found.items():
        block = np.asarray(block)
        part = block.transpose(2, 0, 1)[np.ix_(golden[f"{name}_sub_channels"], rows, columns)]
        np.testing.assert_allclose(part, golden[f"{name}_sub"], rtol=0, atol=ATOL, err_msg=name)
        moments = [block.mean(dtype=np.float64), block.std(dtype=np.float64)]
        np.testing.assert_allclose(
            moments, golden[f"{name}_meanstd"], rtol=0, atol=ATOL, err_msg=name
        )


def test_fused_picture_and_components_equal_the_original(golden_model, golden):
    fusion = jax.jit(ttd_jax.static_fuse)(golden_model, _golden_sources(golden))  # as users run it
    for found, name in (
        (fusion.image, "fused"),
        (fusion.image, "fused_f64"),
        (fusion.components[0], "fused_vi_vi"),
        (fusion.components[1], "fused_ir_ir"),
    ):
        np.testing.assert_allclose(found[..., 0], golden[name], rtol=0, atol=ATOL, err_msg=name)


def test_raw_picture_needs_no_clipping(golden_model, golden):
    found = _raw(golden_model, _golden_sources(golden))[..., 0]
    np.testing.assert_allclose(found, golden["fused_raw"], rtol=0, atol=ATOL)
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize(("name", "dark"), [("fused_vi_zero", 1), ("fused_zero_ir", 0)])
def test_one_dark_source_equals_the_original(golden_model, golden, name, dark):
    x = _golden_sources(golden).at[dark].set(0.0)
    found = _raw(golden_model, x)[..., 0]
    np.testing.assert_allclose(found, golden[name], rtol=0, atol=ATOL)


def test_color_picture_equals_the_original_within_a_level(golden_model, golden):
    # The original rounds the factors of BT.601 to three digits; ours are exact.
    rgb = jnp.asarray(golden["vi_rgb_u8"], jnp.float32) / 255
    luma, chroma = rgb_to_ycbcr(rgb)
    np.testing.assert_allclose(luma[..., 0], golden["vi_y"], rtol=0, atol=1e-6)
    x = jnp.stack([luma, jnp.asarray(golden["ir"])[..., None]])
    found = np.asarray(ycbcr_to_rgb(_raw(golden_model, x), chroma))
    np.testing.assert_allclose(found, golden["fused_rgb"].transpose(1, 2, 0), rtol=0, atol=2e-4)
    levels = (found * 255).astype(np.uint8).astype(int)
    off = np.abs(levels - golden["fused_rgb_u8"])
    assert off.max() <= 1
    assert np.mean(off == 0) > 0.995


# The twin -------------------------------------------------------------------------------------


@torch.no_grad()
def test_twin_equals_the_original(golden_checkpoint, golden):
    twin = twins.PIAFusion().eval()
    twin.load_state_dict(torch.load(golden_checkpoint, weights_only=True))
    visible, infrared = _to_torch(np.stack([golden["vi_y"], golden["ir"]])[..., None])
    for name, pair in (
        ("fused", (visible, infrared)),
        ("fused_vi_vi", (visible, visible)),
        ("fused_ir_ir", (infrared, infrared)),
    ):
        np.testing.assert_allclose(twin(*pair)[0, 0], golden[name], rtol=0, atol=ATOL)


@torch.no_grad()
def test_static_fusion_equals_the_twin_at_any_size(twin, model):
    for seed, size in enumerate([(2, 2), (2, 33), (48, 160), (87, 121)]):
        sources = _sources(*size, seed=seed)
        found = _raw(model, sources)[..., 0]
        expected = twin(*_to_torch(sources))[0, 0]
        np.testing.assert_allclose(found, expected, rtol=0, atol=ATOL, err_msg=str(size))


@torch.no_grad()
@pytest.mark.parametrize("size", [(24, 24), (33, 58)])
def test_dynamic_fusion_equals_the_twin_with_the_same_weights(twin, model, size):
    sources = _sources(*size)
    fusion = _dynamic_fuse(model, sources)
    visible, infrared = _to_torch(sources)
    weights = torch.from_numpy(2 * np.asarray(fusion.dominability))[None]
    expected = twin(visible, infrared, weights)[0, 0].numpy()
    np.testing.assert_allclose(fusion.image[..., 0], expected, rtol=0, atol=ATOL)
    for component, source in zip(fusion.components, (visible, infrared), strict=True):
        np.testing.assert_allclose(component[..., 0], twin(source, source)[0, 0], rtol=0, atol=ATOL)
    static = twin(visible, infrared)[0, 0].numpy()
    assert np.abs(expected - static).max() > 100 * ATOL  # the weights mattered


# Test-time dynamic fusion ---------------------------------------------------------------------


def test_default_losses_are_the_squared_error_of_the_components(model):
    sources = _sources(24, 24)
    fusion = _dynamic_fuse(model, sources)
    losses = np.square(fusion.components - sources)[..., 0]
    np.testing.assert_allclose(fusion.losses, losses, rtol=0, atol=1e-6)
    scores = np.exp(-50 * losses)
    expected = np.exp(scores) / np.exp(scores).sum(axis=0)
    np.testing.assert_allclose(fusion.dominability, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("preset", ["self", "fused", "intensity"])
def test_dominability_of_every_preset_sums_to_one_and_keeps_its_range(model, preset):
    settings = lookup("piafusion").presets[preset]
    rd = _dynamic_fuse(model, _sources(24, 24), settings).dominability
    np.testing.assert_allclose(rd.sum(axis=0), 1.0, rtol=0, atol=1e-6)
    assert rd.min() >= 1 / (1 + np.e) - 1e-6
    assert rd.max() <= np.e / (1 + np.e) + 1e-6
    assert np.ptp(rd) > 0.01


def test_equal_losses_give_the_static_fusion(model):
    sources = _sources(24, 24)
    dynamic = _dynamic_fuse(model, sources, losses=jnp.full(sources.shape[:3], 0.3))
    static = _static_fuse(model, sources)
    np.testing.assert_allclose(dynamic.image, static.image, rtol=0, atol=1e-6)
    assert np.abs(_dynamic_fuse(model, sources).image - static.image).max() > 1e-3


def test_component_does_not_depend_on_the_other_source(model):
    sources = _sources(24, 24)
    whole = _static_fuse(model, sources).components
    other = _static_fuse(model, np.stack([sources[0], 1 - sources[1]])).components
    np.testing.assert_allclose(other[0], whole[0], rtol=0, atol=1e-6)
    assert np.abs(other[1] - whole[1]).max() > 1e-3


def test_vmap_over_scenes_equals_scene_by_scene(model):
    # The streams' exchange averages over the pixels of one scene, never over a batch.
    scenes = np.stack([_sources(24, 24, seed=1), 0.2 * _sources(24, 24, seed=2)])
    batch = quick_jit(jax.vmap(ttd_jax.dynamic_fuse, in_axes=(None, 0)))(model, scenes)
    for image, scene in zip(batch.image, scenes, strict=True):
        np.testing.assert_allclose(image, _dynamic_fuse(model, scene).image, rtol=0, atol=1e-5)


def test_gradient_reaches_both_sources(model):
    def brightness(sources):
        return jnp.sum(ttd_jax.dynamic_fuse(model, sources).image)

    gradient = quick_jit(jax.grad(brightness))(_sources(24, 24))
    assert np.isfinite(gradient).all()
    assert (np.abs(gradient).max(axis=(1, 2, 3)) > 0).all()


def test_dynamic_fusion_module_equals_the_function(model):
    sources = _sources(24, 24)
    layer = ttd_jax.DynamicFusion(PIAFusion(), model.settings)
    found = quick_jit(layer.apply)({"params": {"network": model.params}}, sources)
    expected = _dynamic_fuse(model, sources)
    np.testing.assert_allclose(found.image, expected.image, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "shape", [(1, 24, 24, 1), (3, 24, 24, 1), (2, 24, 24, 3), (2, 1, 24, 1), (2, 24, 1, 1)]
)
def test_any_other_shape_is_refused_by_name(model, shape):
    message = r"exactly two sources .* got shape|piafusion takes C = 1, not 3"
    with pytest.raises(ValueError, match=message):
        ttd_jax.dynamic_fuse(model, jnp.zeros(shape))
