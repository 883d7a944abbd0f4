"""Training losses against the originals' values, maps and gradients, and at their kinks.

The reference is the authors' code under torch 2.13, in the golden data of losses.
"""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.compilation import quick_jit
from ttd_jax.core import subgradients as kinks
from ttd_jax.networks.illumination import day_probability
from ttd_jax.training import cddfuse, ifcnn, losses, piafusion, unsupervised

SCALAR = {"rtol": 1e-5}
MAP = {"rtol": 0, "atol": 1e-5}
GRADIENT = {"rtol": 1e-4, "atol": 1e-7}
FEATURES = ("feat_base_v", "feat_base_i", "feat_detail_v", "feat_detail_i")
FORMS = {"legacy": "kornia_0_2_0", "current": "kornia_new"}


@pytest.fixture(scope="module")
def golden(shared):
    folder = shared / "golden" / "losses"
    scalars = json.loads((folder / "losses.json").read_text())
    return scalars, dict(np.load(folder / "maps_and_grads.npz"))


@pytest.fixture(scope="module")
def inputs(shared):
    """The inputs, channels last; logits as they are."""
    stored = np.load(shared / "golden" / "losses" / "inputs.npz")
    return {
        name: jnp.asarray(last(array) if array.ndim == 4 else array)
        for name, array in stored.items()
    }


def last(array):
    return np.moveaxis(array, 1, -1)


def batched(function, *arguments):
    """The mean of `function` over a batch."""
    return jax.tree.map(jnp.mean, jax.vmap(function)(*arguments))


def batch_decomposition(base_v, base_i, detail_v, detail_i):
    """As the authors have it: of the correlations' means over the batch."""
    base = batched(losses.correlation, base_v, base_i)
    detail = batched(losses.correlation, detail_v, detail_i)
    return cddfuse.decomposition(base, detail)


def test_fusion_loss_of_cddfuse_matches_values_and_gradient(golden, inputs):
    scalars, maps = golden
    sources = jnp.stack([inputs["vis"], inputs["ir"]], axis=1)

    def loss(fused):
        terms = batched(cddfuse.fusion_terms, fused, sources)
        weights = {name: cddfuse.PHASE_TWO_WEIGHTS[name] for name in terms}
        return losses.weigh(terms, weights), terms

    (total, terms), gradient = quick_jit(jax.value_and_grad(loss, has_aux=True))(inputs["fused"])
    measured = {"total": total, **terms}
    for name, expected in scalars["cddfuse_fusionloss"].items():
        np.testing.assert_allclose(measured[name], expected, **SCALAR, err_msg=name)
    precise = dict(
        zip(("total", "intensity", "gradient"), scalars["float64"]["fusionloss"], strict=True)
    )
    for name, expected in precise.items():
        np.testing.assert_allclose(measured[name], expected, **SCALAR, err_msg=name)
    np.testing.assert_allclose(gradient, last(maps["grad_fusionloss_wrt_fused"]), **GRADIENT)


def test_correlations_and_decomposition_match_values_and_gradients(golden, inputs):
    scalars, maps = golden
    features = [inputs[name] for name in FEATURES]
    correlate = quick_jit(functools.partial(batched, losses.correlation))
    base, detail = correlate(*features[:2]), correlate(*features[2:])
    for stored in (scalars["cddfuse_cc"], scalars["float64"]):
        np.testing.assert_allclose(base, stored["cc_B"], **SCALAR)
        np.testing.assert_allclose(detail, stored["cc_D"], **SCALAR)
    decomposition = quick_jit(jax.value_and_grad(batch_decomposition, argnums=(0, 1, 2, 3)))
    value, gradients = decomposition(*features)
    np.testing.assert_allclose(value, scalars["cddfuse_cc"]["decomp"], **SCALAR)
    np.testing.assert_allclose(gradients[0], last(maps["grad_decomp_wrt_base_v"]), **GRADIENT)
    np.testing.assert_allclose(gradients[3], last(maps["grad_decomp_wrt_detail_i"]), **GRADIENT)
    assert all(jnp.all(jnp.isfinite(gradient)) for gradient in gradients)
    # The constant channel, where the reference has NaN: no direction is the better one.
    assert jnp.ptp(features[1][0, :, :, 3]) == 0
    np.testing.assert_array_equal(gradients[1][0, :, :, 3], 0)
    assert float(jnp.abs(gradients[1]).max()) > 0


@pytest.fixture(scope="module")
def ssim_maps(inputs):
    """form -> pair -> map."""
    pairs = "vis_fused", "ir_fused", "vis_vis_hat", "ir_ir_hat", "vis_anti"
    split = [pair.split("_", 1) for pair in pairs]
    first, second = (jnp.concatenate([inputs[pair[i]] for pair in split]) for i in (0, 1))
    measured = {}
    for form in FORMS:
        loss = jax.vmap(functools.partial(losses.ssim_loss_map, form=form))
        maps = jnp.split(quick_jit(loss)(first, second), len(pairs))
        measured[form] = dict(zip(pairs, maps, strict=True))
    return measured


@pytest.mark.parametrize("form", FORMS)
def test_ssim_loss_matches_both_versions_of_kornia(golden, ssim_maps, form):
    stored = golden[0]["ssim_loss_window11"]
    assert stored.keys() == ssim_maps[form].keys()
    for pair, measured in ssim_maps[form].items():
        expected = stored[pair][FORMS[form]]
        np.testing.assert_allclose(measured.mean(), expected, **SCALAR, err_msg=pair)
    precise = golden[0]["float64"]["ssim_vis_fused_kornia_0_2_0"]
    np.testing.assert_allclose(ssim_maps["legacy"]["vis_fused"].mean(), precise, **SCALAR)


@pytest.mark.parametrize(
    ("pair", "form"), [("vis_fused", "legacy"), ("vis_anti", "legacy"), ("vis_anti", "current")]
)
def test_ssim_loss_map_matches(golden, ssim_maps, pair, form):
    stored = golden[1][f"ssim_loss_map_{pair}_{FORMS[form]}"]
    np.testing.assert_allclose(ssim_maps[form][pair], last(stored), **MAP)


def test_ssim_gradient_matches(golden, inputs):
    loss = quick_jit(jax.grad(functools.partial(batched, losses.ssim_loss), argnums=1))
    expected = last(golden[1]["grad_ssim_wrt_vis_hat_kornia_0_2_0"])
    gradient = loss(inputs["vis"], inputs["vis_hat"])
    np.testing.assert_allclose(gradient, expected, **GRADIENT)


def test_spatial_gradient_matches_map_and_distance(golden, inputs):
    first, second = (jax.vmap(losses.spatial_gradient)(inputs[n]) for n in ("vis", "vis_hat"))
    # Stored as [B, C, 2, H, W], here [B, 2, H, W, C].
    expected = np.moveaxis(golden[1]["spatial_gradient_vis"], (2, 1), (1, 4))
    np.testing.assert_allclose(first, expected, **MAP)
    distance = losses.mean_absolute(first, second)
    stored = golden[0]["spatial_gradient_l1"]["vis_vs_vis_hat"]
    np.testing.assert_allclose(distance, stored, **SCALAR)


@pytest.mark.parametrize("form", FORMS)
def test_phase_one_matches(golden, inputs, form):
    stored = golden[0][f"cddfuse_phase1_{FORMS[form]}"]
    sources = jnp.stack([inputs["vis"], inputs["ir"]], axis=1)
    rebuilt = jnp.stack([inputs["vis_hat"], inputs["ir_hat"]], axis=1)
    features = pair_features(inputs)
    one = functools.partial(cddfuse.phase_one_terms, ssim_form=form)
    terms = quick_jit(functools.partial(batched, one))(sources, rebuilt, features)
    terms["decomposition"] = quick_jit(batch_decomposition)(*(inputs[name] for name in FEATURES))
    total = losses.weigh(terms, cddfuse.PHASE_ONE_WEIGHTS)
    np.testing.assert_allclose(total, stored["total"], **SCALAR)
    for name, order in (("mse_V", "first"), ("mse_I", "second")):
        value = 5 * terms[f"ssim_{order}"] + terms[f"mse_{order}"]
        np.testing.assert_allclose(value, stored[name], **SCALAR)
    np.testing.assert_allclose(terms["gradient"], stored["gradient"], **SCALAR)


def test_phase_two_matches(golden, inputs):
    sources = jnp.stack([inputs["vis"], inputs["ir"]], axis=1)
    two = quick_jit(functools.partial(batched, cddfuse.phase_two_terms))
    terms = two(inputs["fused"], sources, pair_features(inputs))
    terms["decomposition"] = quick_jit(batch_decomposition)(*(inputs[name] for name in FEATURES))
    total = losses.weigh(terms, cddfuse.PHASE_TWO_WEIGHTS)
    np.testing.assert_allclose(total, golden[0]["cddfuse_phase2"]["total"], **SCALAR)


def pair_features(inputs):
    return {
        branch: jnp.stack([inputs[f"feat_{branch}_v"], inputs[f"feat_{branch}_i"]], axis=1)
        for branch in ("base", "detail")
    }


def test_piafusion_matches_values_and_gradient(golden, inputs):
    scalars, maps = golden
    sources = jnp.stack([inputs["vis"], inputs["ir"]], axis=1)
    day = jax.vmap(day_probability)(inputs["pia_cls_pred"])
    np.testing.assert_allclose(day, scalars["piafusion"]["vis_weight"], **SCALAR)

    def loss(fused):
        terms = batched(piafusion.terms, fused, sources, day)
        return losses.weigh(terms, piafusion.WEIGHTS), terms

    (total, terms), gradient = quick_jit(jax.value_and_grad(loss, has_aux=True))(inputs["fused"])
    stored = scalars["piafusion"]
    assert list(piafusion.WEIGHTS.values()) == stored["weights"]
    for name, theirs in zip(piafusion.WEIGHTS, ("illum", "aux", "gradient"), strict=True):
        np.testing.assert_allclose(terms[name], stored[theirs], **SCALAR, err_msg=name)
    np.testing.assert_allclose(total, stored["total"], **SCALAR)
    np.testing.assert_allclose(gradient, last(maps["grad_piafusion_total_wrt_fused"]), **GRADIENT)


def test_undecided_classifier_weighs_both_sources_alike():
    assert day_probability(jnp.array([-1.0, 0.0])) == 0.5


# Without golden data --------------------------------------------------------------------------


def test_slopes_at_the_kinks_are_those_of_the_reference():
    slope = jax.vmap(jax.grad(kinks.absolute))(jnp.array([-2.0, 0.0, 2.0]))
    np.testing.assert_array_equal(slope, [-1, 0, 1])
    slope = jax.vmap(jax.grad(lambda x: kinks.clamp(x, 0.0, 1.0)))(
        jnp.array([-0.1, 0.0, 0.5, 1.0, 1.1])
    )
    np.testing.assert_array_equal(slope, [0, 1, 1, 1, 0])
    clamped = kinks.clamp(jnp.array([-1.0, 0.25, 2.0]), 0.0, 1.0)
    np.testing.assert_array_equal(clamped, [0, 0.25, 1])
    np.testing.assert_array_equal(jax.grad(jnp.maximum, (0, 1))(1.0, 1.0), [0.5, 0.5])


def test_decomposition_of_samples_averages_what_a_batch_takes_at_once():
    features = {
        branch: np.random.default_rng(seed).normal(size=(3, 2, 5, 6, 4)).astype(np.float32)
        for seed, branch in enumerate(("base", "detail"))
    }
    terms = quick_jit(jax.vmap(cddfuse.decomposition_terms))(features)
    base, detail = terms["correlation_base"], terms["correlation_detail"]
    np.testing.assert_allclose(terms["decomposition"], detail**2 / (1.01 + base), rtol=1e-6)
    at_once = cddfuse.decomposition(base.mean(), detail.mean())
    assert abs(float(at_once - terms["decomposition"].mean())) > 1e-4


def test_ssim_form_without_a_name_is_refused():
    with pytest.raises(ValueError, match="must be one of"):
        losses.ssim_loss(jnp.zeros((12, 12, 1)), jnp.zeros((12, 12, 1)), form="kornia")


def test_perceptual_term_is_the_distance_of_given_features():
    fused, truth = np.random.default_rng(0).random((2, 8, 9, 3), np.float32)

    def perceive(image):
        return [image[::2], 2 * image]

    terms = ifcnn.terms(fused, truth, perceive)
    expected = (jnp.mean((fused - truth)[::2] ** 2) + 4 * jnp.mean((fused - truth) ** 2)) / 2
    np.testing.assert_allclose(terms["perceptual"], expected, rtol=1e-6)
    assert ifcnn.terms(fused, truth) == {"pixel": terms["pixel"]}


LOSSES = {
    "phase one": lambda fused, sources: losses.weigh(
        cddfuse.phase_one_terms(
            sources, jnp.stack([fused, fused]), {"base": sources, "detail": fused + sources}
        ),
        cddfuse.PHASE_ONE_WEIGHTS,
    ),
    "phase two": lambda fused, sources: losses.weigh(
        cddfuse.phase_two_terms(fused, sources, {"base": sources, "detail": fused + sources}),
        cddfuse.PHASE_TWO_WEIGHTS,
    ),
    "piafusion": lambda fused, sources: losses.weigh(
        piafusion.terms(fused, sources, 0.3), piafusion.WEIGHTS
    ),
    "ifcnn": lambda fused, sources: losses.weigh(ifcnn.terms(fused, sources[0]), ifcnn.WEIGHTS),
    "unsupervised": lambda fused, sources: losses.weigh(
        unsupervised.terms(fused, sources), unsupervised.WEIGHTS
    ),
}


@functools.cache
def value_and_gradients(name):
    return quick_jit(jax.value_and_grad(LOSSES[name], argnums=(0, 1)))


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_on_constant_images(name):
    for value in (0.0, 0.3, 1.0):
        sources = jnp.full((2, 13, 14, 1), value)
        for fused in (sources[0], sources[0] + 0.1):
            for leaf in jax.tree.leaves(value_and_gradients(name)(fused, sources)):
                assert jnp.all(jnp.isfinite(leaf))


@pytest.mark.parametrize("name", LOSSES)
def test_descent_on_the_fused_image_lowers_the_loss(name):
    sources = jnp.asarray(np.random.default_rng(1).random((2, 13, 14, 1)), jnp.float32)
    fused = np.full((13, 14, 1), 0.5, np.float32)
    first, (gradient, _) = value_and_gradients(name)(fused, sources)
    for _ in range(20):
        fused = np.float32(fused - 0.05 * gradient / np.abs(gradient).max())
        value, (gradient, _) = value_and_gradients(name)(fused, sources)
    assert value < 0.95 * first
