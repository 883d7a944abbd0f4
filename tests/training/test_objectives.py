"""Objectives: what they see, what they refuse, and gradients that never turn NaN."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ttd_jax
from tests.compilation import quick_jit
from tests.random_models import random_model
from tests.training.shallow import make_shallow
from ttd_jax.core.dominability import LITERAL, DominabilitySettings
from ttd_jax.errors import UserError
from ttd_jax.networks import lookup
from ttd_jax.training import losses
from ttd_jax.training import unsupervised as unsupervised_losses
from ttd_jax.training.objectives import (
    OBJECTIVES,
    ObjectiveOptions,
    fuse_for_training,
    make_objective,
    needed_keys,
)

SIZE = (16, 17)


@pytest.fixture(autouse=True)
def shallow(monkeypatch):
    for name in ("cddfuse_ivf", "cddfuse_mif"):
        random_model(name)  # with weights for all of its depth
    make_shallow(monkeypatch.setattr)


def classifier():
    return random_model("piafusion_classifier", seed=1)


def sample(channels, seed=2, size=SIZE):
    keys = jax.random.split(jax.random.key(seed), 3)
    return {
        "sources": jax.random.uniform(keys[0], (2, *size, channels)),
        "truth": jax.random.uniform(keys[1], (*size, channels)),
        "visible_rgb": jax.random.uniform(keys[2], (*size, 3)),
    }


CASES = {
    "cddfuse_phase1": ("cddfuse_ivf", {}),
    "cddfuse_phase2": ("cddfuse_ivf", {"fusion": "ttd"}),
    "piafusion": ("piafusion", {}),
    "ifcnn": ("ifcnn_max", {}),
    "unsupervised": ("ifcnn_sum", {"fusion": "ttd"}),
}


def make(name):
    network, options = CASES[name]
    if name == "piafusion":
        options = {**options, "classifier": classifier()}
    model = random_model(network)
    objective = make_objective(name, model.module, model.settings, ObjectiveOptions(**options))
    return objective, model.variables


def test_every_objective_is_tested():
    assert CASES.keys() == OBJECTIVES.keys()


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_finite_and_reach_all_that_is_not_frozen(name):
    objective, variables = make(name)
    batch = sample(lookup(CASES[name][0]).channels)
    batch = {key: batch[key] for key in needed_keys(name)}
    gradient = quick_jit(jax.value_and_grad(objective, has_aux=True))
    (loss, terms), grads = gradient(variables, batch)
    weights = OBJECTIVES[name].weights(ObjectiveOptions())
    np.testing.assert_allclose(loss, losses.weigh(terms, weights), rtol=1e-5)
    chex.assert_shape([loss, *terms.values()], ())
    chex.assert_tree_all_finite(grads)
    for part, leaves in grads["params"].items():
        reached = any(float(jnp.abs(leaf).max()) > 0 for leaf in jax.tree.leaves(leaves))
        assert reached == (part not in OBJECTIVES[name].frozen), part
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(grads))
    for value in (0.0, 0.5, 1.0):
        flat = jax.tree.map(lambda leaf, value=value: jnp.full_like(leaf, value), batch)
        chex.assert_tree_all_finite(gradient(variables, flat))


@pytest.mark.parametrize("name", CASES)
def test_samples_of_many_sizes_share_a_program_and_keep_their_losses(name):
    objective, variables = make(name)
    chex.clear_trace_counter()
    bucket, exact = quick_jit(chex.assert_max_traces(objective, n=1)), quick_jit(objective)
    for size in (SIZE, (29, 16)):
        alone = sample(lookup(CASES[name][0]).channels, size=size)
        alone = {key: alone[key] for key in needed_keys(name)}
        beyond = [(0, 32 - side) for side in size]
        filled = {
            key: jnp.pad(x, [*[(0, 0)] * (x.ndim - 3), *beyond, (0, 0)], constant_values=0.7)
            for key, x in alone.items()
        }
        found = bucket(variables, {**filled, "extent": jnp.array(size)})
        expected = exact(variables, alone)
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), found, expected)


def test_static_and_dynamic_fusion_are_those_of_the_library_before_the_clip():
    model = random_model("ifcnn_sum")
    last = jax.tree.map(lambda leaf: leaf + 2 * (leaf.ndim == 1), model.params["conv4"])
    params = {**model.params, "conv4": last}  # so bright that there is something to clip
    model = model.replace(variables={**model.variables, "params": params})
    sources = sample(3)["sources"]
    for fusion, reference in (("static", ttd_jax.static_fuse), ("ttd", ttd_jax.dynamic_fuse)):
        options = ObjectiveOptions(fusion=fusion)
        fused, _ = quick_jit(fuse_for_training, static_argnums=2)(model, sources, Static(options))
        assert float(fused.max()) > 1
        expected = quick_jit(reference)(model, sources).image
        np.testing.assert_allclose(jnp.clip(fused, 0, 1), expected, atol=1e-5)


class Static:
    """Options as a static argument."""

    def __init__(self, options):
        self.options = options

    def __getattr__(self, name):
        return getattr(self.options, name)


def test_stopping_the_gradient_at_the_weights_changes_it_and_not_the_loss():
    model = random_model("ifcnn_sum")
    settings = DominabilitySettings(loss="fused", norm="squared", temperature=5.0)
    results = []
    for stop in (False, True):
        options = ObjectiveOptions(fusion="ttd", stop_gradient_at_weights=stop)
        objective = make_objective("ifcnn", model.module, settings, options)
        gradient = quick_jit(jax.value_and_grad(objective, has_aux=True))
        results.append(gradient(model.variables, sample(3)))
    ((through, _), full), ((stopped, _), partial) = results
    np.testing.assert_allclose(through, stopped, rtol=1e-6)
    norms = [float(jnp.abs(g["params"]["conv1"]["conv"]["kernel"]).max()) for g in (full, partial)]
    difference = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), full, partial)
    assert difference["params"]["conv1"]["conv"]["kernel"] > 1e-3 * max(norms)


def test_phase_one_rebuilds_each_source_around_itself():
    """With the output convolution at zero the picture is the sigmoid of its residual alone."""
    model = random_model("cddfuse_mif")
    assert model.module.residual == "none"
    params = dict(model.params)
    decoder = dict(params["decoder"])
    decoder["output2"] = jax.tree.map(jnp.zeros_like, decoder["output2"])
    objective = make_objective("cddfuse_phase1", model.module, model.settings)
    sources = sample(1)["sources"]
    variables = {"params": {**params, "decoder": decoder}}
    _, terms = quick_jit(objective)(variables, {"sources": sources})
    for name, source in zip(("first", "second"), sources, strict=True):
        expected = np.mean((source - jax.nn.sigmoid(source)) ** 2)
        np.testing.assert_allclose(terms[f"mse_{name}"], expected, rtol=1e-5)


def test_the_classifier_decides_which_source_piafusion_follows():
    model = random_model("piafusion")
    batch = sample(1)
    even, judged = (
        make_objective(
            "piafusion",
            model.module,
            model.settings,
            ObjectiveOptions(illumination=illumination, classifier=classifier()),
        )
        for illumination in ("even", "classifier")
    )

    @quick_jit
    def measure(variables, batch):
        fused, _ = fuse_for_training(model, batch["sources"], ObjectiveOptions())
        distances = jnp.mean(jnp.abs(fused - batch["sources"]), axis=(1, 2, 3))
        day = ttd_jax.illumination(classifier(), batch["visible_rgb"])
        terms = even(variables, batch)[1], judged(variables, batch)[1]
        return day, distances, [term["illumination"] for term in terms]

    day, (visible, infrared), measured = measure(model.variables, batch)
    assert 0 <= day <= 1
    assert abs(day - 0.5) > 1e-3
    np.testing.assert_allclose(measured[0], (visible + infrared) / 2, rtol=1e-4)
    np.testing.assert_allclose(measured[1], day * visible + (1 - day) * infrared, rtol=1e-4)
    assert needed_keys("piafusion", ObjectiveOptions(illumination="even")) == ("sources",)


def test_bfloat16_stays_near_float32_and_computes_in_it():
    model = random_model("ifcnn_sum")
    results = {}
    for precision in ("highest", "bfloat16"):
        module = model.module.clone(precision=precision)
        objective = make_objective(
            "unsupervised", module, model.settings, ObjectiveOptions(fusion="ttd")
        )
        loss, gradient = quick_jit(jax.value_and_grad(lambda v, o=objective: o(v, sample(3))[0]))(
            model.variables
        )
        results[precision] = float(loss)
        assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {np.dtype(np.float32)}
        program = str(jax.make_jaxpr(objective)(model.variables, sample(3)))
        assert ("bf16[2,16,17,64]" in program) == (precision == "bfloat16")
    assert results["bfloat16"] == pytest.approx(results["highest"], rel=0.02)
    assert results["bfloat16"] != results["highest"]


def test_weights_of_terms_can_be_changed():
    model = random_model("ifcnn_sum")
    options = ObjectiveOptions(weights={"gradient": 0.0, "ssim": 2.0})
    objective = make_objective("unsupervised", model.module, model.settings, options)
    loss, terms = quick_jit(objective)(model.variables, sample(3))
    np.testing.assert_allclose(loss, terms["intensity"] + 2 * terms["ssim"], rtol=1e-6)
    assert unsupervised_losses.WEIGHTS["gradient"] == 10


@pytest.mark.parametrize(
    ("name", "network", "options", "named"),
    [
        ("cddfuse", "cddfuse_ivf", {}, "unknown objective 'cddfuse': did you mean 'cddfuse_phase"),
        ("cddfuse_phase2", "ifcnn_sum", {}, "'cddfuse_phase2' is not for IFCNN"),
        ("cddfuse_phase1", "cddfuse_ivf", {"fusion": "ttd"}, "use fusion='static'"),
        ("piafusion", "piafusion", {}, "needs an illumination classifier"),
        ("ifcnn", "ifcnn_sum", {"weights": {"pixels": 1.0}}, "no term 'pixels': its terms are pix"),
    ],
)
def test_mistakes_are_refused(name, network, options, named):
    row = lookup(network)
    settings = row.presets[row.default_preset]
    with pytest.raises(UserError, match=named):
        make_objective(name, row.build(), settings, ObjectiveOptions(**options))


def test_mistaken_options_are_refused():
    with pytest.raises(UserError, match="fusion must be one of static, ttd, got 'dynamic'"):
        ObjectiveOptions(fusion="dynamic")
    with pytest.raises(UserError, match="there are no weights"):
        ObjectiveOptions(stop_gradient_at_weights=True)
    folded = dataclasses.replace(random_model("ifcnn_sum").module, folded=True)
    with pytest.raises(UserError, match="folded"):
        make_objective("unsupervised", folded, LITERAL)


def test_vmap_over_samples_equals_one_by_one():
    model = random_model("ifcnn_sum")
    objective = make_objective("unsupervised", model.module, model.settings)
    scenes = {"sources": jnp.stack([sample(3, seed)["sources"] for seed in (1, 2, 3)])}
    batched = quick_jit(jax.vmap(objective, (None, 0)))(model.variables, scenes)
    one = quick_jit(objective)(model.variables, {"sources": scenes["sources"][1]})
    chex.assert_trees_all_close(jax.tree.map(lambda leaf: leaf[1], batched), one, rtol=1e-5)
