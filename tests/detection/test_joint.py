"""A detector's loss reaches the fusion network, through its features and through RD."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

import ttd_jax
from tests.compilation import quick_jit
from tests.random_models import random_model
from ttd_jax.core.color import fuse_in_color
from ttd_jax.detection.joint import (
    DETECTOR,
    FUSION,
    join_variables,
    make_fusion_objective,
    make_source_objective,
    split_variables,
)
from ttd_jax.detection.losses import make_objective
from ttd_jax.detectors import Detector, DetectorSettings
from ttd_jax.networks import lookup

SIZE = (32, 64)


class Coarse(nn.Module):
    """A detector's shape: at every level a linear function of the picture's mean colors."""

    @nn.compact
    def __call__(self, picture):
        return tuple(
            nn.Dense(6, name=f"level{s}")(nn.avg_pool(picture, (s, s), (s, s))) for s in (8, 16, 32)
        )


@pytest.fixture(scope="module")
def detector():
    module = Coarse()
    variables = module.init(jax.random.key(0), jnp.zeros((*SIZE, 3)))
    variables = jax.tree.map(lambda leaf: leaf / 50, variables)  # of pictures in 0..255
    return Detector(variables, module, DetectorSettings(classes=("person",), size=SIZE))


@pytest.fixture(scope="module")
def model():
    return random_model("ifcnn_sum")


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(2)
    coarse = rng.random((2, SIZE[0] // 4, SIZE[1] // 4, 3))
    covered = np.ones(SIZE, bool)
    covered[:, 56:] = False
    return {
        "sources": coarse.repeat(4, axis=1).repeat(4, axis=2).astype(np.float32),
        "covered": covered,
        "boxes": np.array([[4, 4, 28, 28], [0, 0, 0, 0]], np.float32),
        "classes": np.zeros(2, np.int32),
        "mask": np.array([True, False]),
    }


def test_joined_variables_are_split_again(detector, model):
    joined = join_variables(detector=detector.variables, fusion=model.variables)
    assert joined.keys() == {"params", "batch_stats"}
    for part, variables in ((DETECTOR, detector.variables), (FUSION, model.variables)):
        found = split_variables(joined, part)
        assert jax.tree.structure(found) == jax.tree.structure(dict(variables))
        jax.tree.map(np.testing.assert_array_equal, found, dict(variables))


@pytest.mark.parametrize("preset", ["self"])
def test_the_gradient_of_the_fusion_network_goes_through_the_fused_picture(
    detector, model, sample, preset
):
    """The detector's gradient at the picture, times how the picture changes, by differences."""
    settings = preset and lookup("ifcnn_sum").presets[preset]
    with jax.enable_x64(True):
        joined = join_variables(detector=detector.variables, fusion=model.variables)
        joined = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), joined)
        wide = {name: jnp.asarray(leaf) for name, leaf in sample.items()}
        wide |= {name: wide[name].astype(jnp.float64) for name in ("sources", "boxes")}
        objective = make_fusion_objective(detector, model, settings)
        fusion = joined["params"][FUSION]
        statistics = split_variables(joined, FUSION)["batch_stats"]

        def loss(fusion):
            params = {**joined["params"], FUSION: fusion}
            return objective({**joined, "params": params}, wide)[0]

        @quick_jit
        def picture(fusion):
            network = model.replace(variables={"params": fusion, "batch_stats": statistics})
            fuse = functools.partial(ttd_jax.static_fuse, network)
            if settings:
                fuse = functools.partial(ttd_jax.dynamic_fuse, network, settings=settings)
            image = fuse_in_color(fuse, tuple(wide["sources"]), mode="luma", channels=3).image
            return jnp.where(wide["covered"][..., None], image, 114 / 255)

        def seen(image):
            return make_objective(detector.module, "bgr")(
                split_variables(joined, DETECTOR), {**wide, "image": image}
            )[0]

        rng = np.random.default_rng(0)
        direction = jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape), fusion)
        gradient = quick_jit(jax.grad(loss))(fusion)
        assert all(bool((leaf != 0).any()) for leaf in jax.tree.leaves(gradient))
        ahead, behind = (
            picture(optax.tree.add_scale(fusion, step, direction)) for step in (1e-6, -1e-6)
        )
        expected = jnp.vdot(quick_jit(jax.grad(seen))(picture(fusion)), (ahead - behind) / 2e-6)
        np.testing.assert_allclose(optax.tree.vdot(gradient, direction), expected, rtol=3e-4)


def test_a_step_through_dominability_is_another_than_one_through_the_static_fusion(
    detector, model, sample
):
    joined = join_variables(detector=detector.variables, fusion=model.variables)
    preset = lookup("ifcnn_sum").presets["self"]
    first, second = (
        quick_jit(make_fusion_objective(detector, model, settings))(joined, sample)[0]
        for settings in (None, preset)
    )
    assert abs(first - second) > 1e-4


def test_a_source_is_seen_as_it_is_and_a_fusion_ends_where_the_scene_does(detector, model, sample):
    joined = join_variables(detector=detector.variables, fusion=model.variables)
    source = make_source_objective(detector)
    first, _ = quick_jit(source)(joined, sample)
    other = sample | {"sources": np.stack([sample["sources"][0], sample["sources"][0] * 0])}
    np.testing.assert_array_equal(quick_jit(source)(joined, other)[0], first)
    fused = quick_jit(make_fusion_objective(detector, model, None))
    outside = sample["sources"].copy()
    outside[:, :, 61:] = 1 - outside[:, :, 61:]  # out of sight, and out of the kernels' reach
    changed = fused(joined, sample | {"sources": outside})[0]
    np.testing.assert_allclose(changed, fused(joined, sample)[0], rtol=1e-6)


def test_the_fusion_networks_own_loss_is_added_with_its_weight(detector, model, sample):
    joined = join_variables(detector=detector.variables, fusion=model.variables)

    def keep_fusing(variables, sample):
        return jnp.mean(sample["sources"]), {}

    options = {"keep_fusing": keep_fusing}
    plain, kept = (
        quick_jit(make_fusion_objective(detector, model, None, keep_weight=weight, **options))
        for weight in (0.0, 2.0)
    )
    loss, terms = kept(joined, sample)
    luma = sample["sources"] @ np.array([0.299, 0.587, 0.114], np.float32)
    np.testing.assert_allclose(terms["fusion"], 2 * luma.mean(), rtol=1e-5)
    np.testing.assert_allclose(loss - terms["fusion"], plain(joined, sample)[0], rtol=1e-4)
