"""Metrics as losses: right on small cases, gradients finite and right."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from tests.metrics import pictures
from ttd_jax import metrics
from ttd_jax.metrics import differentiable as losses

LOSSES = {
    "ssim": lambda f, s: losses.ssim_loss(f, s, data_range=1.0),
    "ssim uniform": lambda f, s: losses.ssim_loss(f, s, data_range=1.0, window="uniform"),
    "gradient": losses.gradient_loss,
    "intensity": losses.intensity_loss,
}
SMOOTH = ["SD", "AG", "EI", "SF", "SSIM", "MSE"]


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(0)
    fused, sources = pictures.draw(16, 18)
    off_kinks = rng.uniform(0.1, 0.4, fused.shape)
    return jnp.float32((fused + off_kinks) / 255), jnp.float32(sources / 255)


CONSTANT = jnp.full((16, 18), 0.5), jnp.full((2, 16, 18), 0.5)
STEP = jnp.zeros((16, 18)), jnp.zeros((2, 16, 18)).at[:, :, 9:].set(1.0)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_of_equal_images_is_zero_and_of_others_positive(scene, name):
    fused, sources = scene
    same = jnp.stack([fused, fused])
    assert LOSSES[name](fused, same) == pytest.approx(0, abs=1e-5)
    assert LOSSES[name](fused, sources) > 0.01


@pytest.mark.parametrize("images", [CONSTANT, STEP], ids=["constant", "step"])
@pytest.mark.parametrize("name", LOSSES)
def test_loss_gradients_are_finite_on_flat_images(name, images):
    for gradient in jax.jit(jax.grad(LOSSES[name], argnums=(0, 1)))(*images):
        assert jnp.all(jnp.isfinite(gradient))


def test_gradient_of_two_equal_constants_is_zero():
    for name in ("gradient", "intensity"):
        gradient = jax.jit(jax.grad(LOSSES[name]))(*CONSTANT)
        np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("images", [CONSTANT, STEP], ids=["constant", "step"])
@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_metrics_have_finite_gradients_on_flat_images(name, images):
    fused, sources = (255 * image for image in images)
    gradient = jax.jit(jax.grad(metrics.METRICS[name].function))(fused, sources)
    assert jnp.all(jnp.isfinite(gradient))


@pytest.mark.parametrize("name", LOSSES)
def test_loss_gradient_is_that_of_finite_differences(scene, name):
    fused, sources = scene
    with jax.enable_x64(True):
        wide = jnp.asarray(fused, jnp.float64), jnp.asarray(sources, jnp.float64)
        loss = jax.jit(lambda fused: LOSSES[name](fused, wide[1]))
        check_grads(loss, wide[:1], order=1, modes=["rev"], eps=1e-7)


def test_descent_on_ssim_recovers_the_source(scene):
    fused, sources = scene
    step = jax.jit(jax.value_and_grad(lambda f: LOSSES["ssim"](f, sources[:1])))
    first, gradient = step(fused)
    for _ in range(30):
        value, gradient = step(fused)
        fused = fused - 2.0 * gradient
    assert value < 0.5 * first


def test_ssim_loss_is_one_minus_the_metric(scene):
    fused, sources = (255 * image for image in scene)
    for window in ("uniform", "gaussian"):
        figure = metrics.METRICS["SSIM"].function(fused, sources, window=window)
        loss = losses.ssim_loss(fused, sources, data_range=255.0, window=window)
        assert loss == pytest.approx(1 - float(figure) / 2, rel=1e-4)


def test_gradient_and_intensity_follow_the_strongest_source():
    dark, step = STEP[0], STEP[1][0]
    sources = jnp.stack([dark, step])
    assert losses.intensity_loss(step, sources) == 0
    assert losses.gradient_loss(step, sources) == 0
    assert losses.intensity_loss(dark, sources) == pytest.approx(0.5)
    assert losses.gradient_loss(dark, sources) == pytest.approx(2 / 18)
