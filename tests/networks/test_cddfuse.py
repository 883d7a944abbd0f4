"""CDDFuse against the original's stored outputs, a torch twin, and what TTD promises of it."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from scipy.special import logit

import ttd_jax
from tests.compilation import quick_jit
from ttd_jax.core.dominability import fusion_weights
from ttd_jax.networks import Model, Network, layers, lookup
from ttd_jax.networks.cddfuse import RESIDUALS, CDDFuse
from ttd_jax.networks.folding import fold
from ttd_jax.parts import tiles
from ttd_jax.parts.part import WHOLE
from ttd_jax.weights.convert import convert_checkpoint, convert_tensors

torch = pytest.importorskip("torch")
from ttd_jax.benchmarks.twins import cddfuse as twin
from ttd_jax.benchmarks.twins.random_state import random_state

ROW = lookup("cddfuse_ivf")
pytestmark = pytest.mark.usefixtures("one_torch_thread")

CASES = ("mri_ct_64x64", "roadscene_96x128", "roadscene_odd_61x83")
NAMES = ("vi", "ir")  # the sources' names in the golden data, in the registry's order
MODES = {"vi": "first", "sum": "sum", "none": "none"}  # the residual's name there and here


def _apply(module, method, variables, *args, **parts):
    return module.apply(variables, *args, method=method, **parts)


_inner = jax.jit(_apply, static_argnums=(0, 1))  # inside of a larger program: traced only once
_outer = quick_jit(_apply, static_argnums=(0, 1))


@struct.dataclass
class _Compiled(Model):
    """A model whose methods are compiled one by one, so that tests share them."""

    compiled: Callable = struct.field(pytree_node=False, default=_outer)

    def _apply(self, method, *args, **parts):
        return self.compiled(self.module, method, self.variables, *args, **parts)


def _compiled(model, compiled=_outer, **fields):
    """`model` with other fields of its module, as `_Compiled`."""
    module = model.module.clone(**fields)
    fields = {name: getattr(model, name) for name in ("variables", "settings", "spec")}
    return _Compiled(module=module, compiled=compiled, **fields)


def _static_raw(model, x):
    """The static fusion before it is stretched to [0, 1]."""
    return model.decode(model.merge(model.encode(x), jnp.ones(x.shape[:-1])), x)


_static_raw_at_once = quick_jit(_static_raw)


@pytest.fixture(scope="module")
def state():
    return random_state(ROW)


@pytest.fixture(scope="module")
def model(state):
    """The same random weights as the twin's."""
    variables, _ = convert_tensors(ROW, state, name="random")
    return ROW.bind(jax.tree.map(jnp.asarray, variables))


def _scene(*size, sources=2, seed=0):
    """Random sources f32[M, H, W, 1]: blocks of 8x8 pixels, under fine noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((sources, *(-(-side // 8) for side in size)))
    blocks = coarse.repeat(8, axis=1).repeat(8, axis=2)[:, : size[0], : size[1]]
    return np.float32(0.8 * blocks + 0.2 * rng.random(blocks.shape))[..., None]


# The original's stored outputs ----------------------------------------------------------------


def _channels_first(picture):
    return np.moveaxis(np.asarray(picture), -1, -3)


def _of_features(name, features, golden):
    """The stored views of one [64, H, W] array: subsample and statistics, in full if small."""
    features = _channels_first(features)
    where = np.ix_(golden["sub_channels"], golden["sub_rows"], golden["sub_cols"])
    found = {
        f"{name}_sub": features[where],
        f"{name}_meanstd": np.array([features.mean(), features.std()]),
    }
    return found | ({name: features} if name in golden else {})


def _everything(model, x):
    """All that the golden data holds of one scene, as one program: what repeats is dropped."""
    features = model.encode(x)
    static, dynamic = ttd_jax.static_fuse(model, x), ttd_jax.dynamic_fuse(model, x)
    weights = {"baseline": jnp.ones(x.shape[:-1]), "ttd": fusion_weights(dynamic.dominability)}
    latents = {run: model.merge(features, weight) for run, weight in weights.items()}
    pictures = {}
    for run, fuse in (("baseline", ttd_jax.static_fuse), ("ttd", ttd_jax.dynamic_fuse)):
        for mode, residual in MODES.items():
            variant = _compiled(model, _inner, residual=residual)
            pictures[f"fused_{run}_{mode}_raw"] = variant.decode(latents[run], x)
            pictures[f"fused_{run}_{mode}"] = fuse(variant, x).image
    alone = jax.vmap(lambda features, source: model.decode(features, source[None]))(features, x)
    pictures |= {f"phase1_{name}_hat": alone[index] for index, name in enumerate(NAMES)}
    inside = functools.partial(_inner, model.module)
    shared = inside(lambda module, x: module.encoder.shared(x), model.variables, x)
    reduced = inside(
        lambda module, latent: module.decoder.reduced(latent["base"], latent["detail"], WHOLE),
        model.variables,
        latents["baseline"],
    )
    return features, shared, latents, reduced, pictures, static, dynamic


def _golden_and_found(path, model, jit):
    """The golden arrays of one scene, and ours under the same names."""
    golden = np.load(path)
    x = jnp.stack([golden[name] for name in NAMES])[..., None]
    features, shared, latents, reduced, pictures, static, dynamic = jit(_everything)(model, x)
    np.testing.assert_array_equal(static.components, dynamic.components)
    np.testing.assert_array_equal(static.losses, dynamic.losses)
    found = {name: picture[..., 0] for name, picture in pictures.items()}
    for index, name in enumerate(NAMES):
        found |= _of_features(f"base_{name}", features["base"][index], golden)
        found |= _of_features(f"detail_{name}", features["detail"][index], golden)
        found |= _of_features(f"shared_{name}", shared[index], golden)
        found |= {
            f"component_{name}": dynamic.components[index, ..., 0],
            f"loss_{name}": dynamic.losses[index],
            f"rd_{name}": dynamic.dominability[index],
        }
    for run, latent in latents.items():
        found |= _of_features(f"{run}_FB", latent["base"], golden)
        found |= _of_features(f"{run}_FD", latent["detail"], golden)
    found |= _of_features("baseline_reduced", reduced, golden)
    found |= {f"{key}_f64": found[key] for key in ("fused_baseline_vi", "fused_ttd_vi", "rd_ir")}
    return golden, found


def _tolerance(key):
    """Of the golden data's README."""
    if "_FD" in key:
        return 1e-4
    if key.startswith(("base", "detail", "shared", "ttd_")):
        return 5e-5
    if key.startswith("fused") and not key.endswith("_raw"):
        return 2e-5
    return 5e-6


# Each takes half a minute to compile as users run it: the first does. Only pictures larger than a
# tile are tiled; folded and unfolded networks are compared elsewhere, at every size.
FORMS = [(CASES[0], "folded"), (CASES[1], "unfolded"), (CASES[2], "folded and tiled")]


@pytest.mark.parametrize(("case", "form"), FORMS)
def test_every_stored_array_matches_the_original(shared, case, form, monkeypatch):
    if form != "folded and tiled":
        monkeypatch.setattr(tiles, "SIZE", (1 << 15, 1 << 15))
    folded = form != "unfolded"
    folder = shared / "golden/cddfuse"
    model, _, remarks = convert_checkpoint(ROW, folder / "cddfuse_random.pth")
    assert all("would fit cddfuse_mif as well" in remark for remark in remarks)
    model = _compiled(fold(model) if folded else model, _inner)
    jit = jax.jit if (case, form) == FORMS[0] else quick_jit
    golden, found = _golden_and_found(folder / f"{case}.npz", model, jit)
    inputs = {"vi", "ir", "vi_u8", "ir_u8", "sub_channels", "sub_rows", "sub_cols"}
    assert set(found) == set(golden) - inputs
    for key, array in found.items():
        np.testing.assert_allclose(
            array, golden[key], atol=_tolerance(key), rtol=0, err_msg=f"{case} {key}"
        )


# The torch twin -------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["mri_ct_64x64", "roadscene_odd_61x83"])
def test_torch_twin_is_the_original(shared, case):
    folder = shared / "golden/cddfuse"
    golden = np.load(folder / f"{case}.npz")
    state = twin.flatten(torch.load(folder / "cddfuse_random.pth", weights_only=True))
    sources = torch.from_numpy(np.stack([golden[name] for name in NAMES])[:, None])
    residuals = {"vi": sources[:1], "sum": sources.sum(0, keepdim=True), "none": None}
    features = twin.encode(state, sources)
    components = twin.components(state, features)
    rd = twin.dominability(sources, components)
    found = {f"component_{name}": components[i] for i, name in enumerate(NAMES)}
    found |= {f"rd_{name}": rd[i] for i, name in enumerate(NAMES)}
    for mode, residual in residuals.items():
        for run, weights in (("baseline", 1.0), ("ttd", 2 * rd)):
            raw = twin.fused(state, features, residual, weights)[0]
            found |= {f"fused_{run}_{mode}_raw": raw, f"fused_{run}_{mode}": twin.stretch(raw)}
    for key, picture in found.items():
        np.testing.assert_allclose(
            picture[0], golden[key], atol=_tolerance(key), rtol=0, err_msg=key
        )


def _sizes(count):
    """Seeded sizes of 17 to 160 pixels a side, more of the small ones; long ones first."""
    rng = np.random.default_rng(17)
    drawn = np.exp(rng.uniform(np.log(17), np.log(161), (count - 3, 2))).astype(int)
    return [(160, 17), (17, 160), (97, 96), *map(tuple, drawn.tolist())]


def _twin_static_raw(state, x):
    """The twin's f32[H, W] for f32[M, H, W, 1], with the first source as residual."""
    sources = torch.from_numpy(x).movedim(-1, 1)
    return twin.fused(state, twin.encode(state, sources), sources[:1])[0, 0]


@pytest.mark.parametrize("size", _sizes(6), ids=lambda size: "x".join(map(str, size)))
def test_static_fusion_equals_the_torch_twin_at_any_size(model, state, size):
    x = _scene(*size, seed=size[0])
    found = _static_raw_at_once(model, x)[..., 0]
    np.testing.assert_allclose(found, _twin_static_raw(state, x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("count", [1, 3])
def test_dynamic_fusion_equals_the_torch_twin_for_any_number_of_sources(model, state, count):
    x = _scene(19, 23, sources=count)
    sources = torch.from_numpy(x).movedim(-1, 1)
    features = twin.encode(state, sources)
    components = twin.components(state, features)
    rd = twin.dominability(sources, components)
    raw = twin.fused(state, features, sources.sum(0, keepdim=True), count * rd)
    expected = twin.stretch(raw)
    fusion = ttd_jax.dynamic_fuse(_compiled(model, residual="sum"), x)
    np.testing.assert_allclose(fusion.components[..., 0], components[:, 0], atol=1e-5, rtol=0)
    np.testing.assert_allclose(fusion.dominability, rd[:, 0], atol=1e-5, rtol=0)
    np.testing.assert_allclose(fusion.image[..., 0], expected[0, 0], atol=5e-5, rtol=0)


# What TTD promises ----------------------------------------------------------------------------

SIZE = (12, 10)  # shared by the tests below, so that they compile once


def test_equal_losses_give_the_static_fusion(model):
    x, model = _scene(*SIZE), _compiled(model)
    dynamic = ttd_jax.dynamic_fuse(model, x, losses=jnp.full((2, *SIZE), 0.3))
    np.testing.assert_allclose(dynamic.image, ttd_jax.static_fuse(model, x).image, atol=1e-6)


def test_components_are_what_the_default_would_decode(model):
    x, model = _scene(*SIZE), _compiled(model)
    features = model.encode(x)
    default = _outer(model.module, Network.solo, model.variables, x, features)
    np.testing.assert_allclose(model.solo(x, features), default, atol=1e-6)


def test_batches_equal_single_scenes(model):
    scenes = jnp.stack([_scene(*SIZE, seed=seed) for seed in (1, 2)])
    model = _compiled(model)
    batch = quick_jit(jax.vmap(ttd_jax.dynamic_fuse, in_axes=(None, 0)))(
        _compiled(model, _inner), scenes
    )
    for index in range(2):
        single = ttd_jax.dynamic_fuse(model, scenes[index])
        for got, want in zip(jax.tree.leaves(batch), jax.tree.leaves(single), strict=True):
            np.testing.assert_allclose(got[index], want, atol=1e-5)


@quick_jit
def _gradients(model, x):
    def error(model, x):
        return jnp.mean(jnp.square(model.finish(_static_raw(model, x)) - 0.3))

    return jax.value_and_grad(error, argnums=(0, 1))(model, x)


def test_gradients_reach_every_parameter_and_source(model):
    _, gradients = _gradients(model, _scene(*SIZE))
    for leaf in jax.tree.leaves(gradients):
        assert np.isfinite(leaf).all()
        assert np.abs(leaf).max() > 0


def test_black_sources_and_unbiased_parameters_give_no_nan(model):
    """Their features are all zero: no norm, length or range may divide by that."""
    black = jnp.zeros((2, *SIZE, 1))
    unbiased = jax.tree_util.tree_map_with_path(
        lambda path, leaf: 0 * leaf if path[-1].key == "bias" else leaf, model.variables
    )
    for each in (model, model.replace(variables=unbiased)):
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(_gradients(each, black)))


# Residual, finish, sizes ----------------------------------------------------------------------


def test_residual_is_added_before_the_sigmoid(model):
    x = _scene(*SIZE)
    logits = {
        residual: logit(np.float64(_static_raw(_compiled(model, residual=residual), x)))
        for residual in RESIDUALS
    }
    np.testing.assert_allclose(logits["first"] - logits["none"], x[0], atol=1e-5)
    np.testing.assert_allclose(logits["sum"] - logits["none"], x[0] + x[1], atol=1e-5)


def test_decoding_without_sources_leaves_the_residual_out(model):
    x, model = _scene(*SIZE), _compiled(model)
    latent = model.merge(model.encode(x), jnp.ones(x.shape[:-1]))
    expected = _compiled(model, residual="none").decode(latent, x)
    np.testing.assert_array_equal(model.decode(latent, None), expected)


def test_unknown_residual_is_refused():
    with pytest.raises(ValueError, match="residual must be one of"):
        CDDFuse(residual="last")


def test_registry_rows_differ_in_task_and_residual():
    ivf, mif = lookup("cddfuse_ivf"), lookup("cddfuse_mif")
    assert (ivf.build().residual, mif.build().residual) == ("first", "none")
    assert mif.build(residual="sum").residual == "sum"
    assert ivf.presets["self"].temperature == mif.presets["self"].temperature == 50.0
    assert (ivf.default_preset, ivf.quantize, mif.quantize) == ("self", "round", "round")


def test_finish_stretches_each_picture_to_the_full_range():
    raw = np.random.default_rng(0).uniform(0.4, 0.6, (3, 5, 4, 1)).astype(np.float32)
    images = quick_jit(jax.vmap(CDDFuse().finish))(raw)
    np.testing.assert_array_equal(images.min((1, 2, 3)), 0.0)
    np.testing.assert_allclose(images.max((1, 2, 3)), 1.0, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_finish_of_a_constant_picture_is_zero_with_a_finite_gradient(value):
    raw = jnp.full((4, 3, 1), value)
    np.testing.assert_array_equal(CDDFuse().finish(raw), 0.0)
    gradient = quick_jit(jax.grad(lambda raw: jnp.sum(jnp.square(CDDFuse().finish(raw) - 0.5))))(
        raw
    )
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("shape", [(2, 1, 8, 1), (2, 8, 1, 1), (2, 8, 8, 3), (8, 8, 1)])
def test_sources_that_do_not_fit_are_refused(model, shape):
    with pytest.raises(ValueError, match="CDDFuse takes sources of one channel"):
        model.encode(jnp.zeros(shape))


def test_two_by_two_pixels_are_enough(model, state):
    x = _scene(2, 2)
    found = _static_raw_at_once(model, x)[..., 0]
    np.testing.assert_allclose(found, _twin_static_raw(state, x), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("group", "features"), [(1, 6), (2, 6), (3, 2), (2, 12)])
def test_shifted_multiply_adds_equal_the_grouped_convolution(group, features):
    rng = np.random.default_rng(0)
    padded = rng.standard_normal((2, 3, 7, 6, 6), np.float32)
    kernel = rng.standard_normal((3, 3, group, features), np.float32)
    native = functools.partial(layers._grouped_native, precision=jax.lax.Precision.HIGHEST)
    found, expected = (quick_jit(f)(padded, kernel) for f in (layers._grouped_shifted, native))
    np.testing.assert_allclose(found, expected, atol=1e-5)
