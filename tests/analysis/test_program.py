"""What a study measures is what fusion and metrics give by themselves."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttd_jax import dynamic_fuse, metrics, static_fuse
from ttd_jax.analysis import program
from ttd_jax.analysis.weighing import THEOREM, Weighing, weigh
from ttd_jax.core.fusion import decompose, measure_losses
from ttd_jax.core.gradient import gradient_maps
from ttd_jax.core.quantization import quantize
from ttd_jax.core.theory import bound
from ttd_jax.networks import lookup
from ttd_jax.weights.store import load

ROW = lookup("ifcnn_sum")
NAMES = ("SD", "AG", "SSIM")


@pytest.fixture(scope="module")
def model(random_weights):
    return load(random_weights)


def _scene(shape):
    grays = np.random.default_rng(2).integers(0, 256, (2, *shape)).astype(np.float32)
    return jnp.broadcast_to(grays[..., None] / 255, (*grays.shape, 3)), grays


@pytest.mark.parametrize("shape", [(20, 24), (21, 23)])
def test_measures_agree_with_fusion_and_metrics_alone(model, shape):
    sources, grays = _scene(shape)
    settings = ROW.presets["intensity"]
    weighings = (Weighing(name="static"), Weighing(name="intensity", settings=settings))
    measure = program.compiled(
        program.measure_scene,
        weighings=weighings,
        how="truncate",
        protocol="paper",
        names=NAMES,
        theory=True,
    )
    measured, _ = measure(model, sources, grays)
    fusions = [static_fuse(model, sources), dynamic_fuse(model, sources, settings)]
    for index, fusion in enumerate(fusions):
        gray = metrics.fused_gray(quantize(fusion.image, how="truncate"))
        for name, value in metrics.evaluate(gray, grays, names=NAMES).items():
            # a pixel or two may fall on the other side of a whole number
            np.testing.assert_allclose(measured[name][index], value, rtol=2e-3)
        expected = bound(fusion.image, fusion.components, sources, fusion.dominability)
        for key, value in (("bound", expected.total), ("bound_constant", expected.constant)):
            np.testing.assert_allclose(measured[key][index], value, rtol=1e-5)
    assert measured["covariance"][0] == 0
    assert measured["covariance"][1] < 0


def test_adaptive_weighing_equals_the_fixed_one_at_its_temperature(model):
    sources, _ = _scene((16, 18))
    parts = decompose(model, sources)
    settings = ROW.presets["self"]
    chosen = weigh(Weighing(name="a", settings=settings, adaptive=True), model, sources, parts)
    fixed = dataclasses.replace(settings, temperature=float(chosen.temperature))
    same = weigh(Weighing(name="b", settings=fixed), model, sources, parts)
    np.testing.assert_allclose(chosen.weights, same.weights, atol=1e-6)
    assert float(abs(chosen.weights - 1).max()) > 0.01


def test_gradient_weighing_takes_its_channel(model):
    sources, _ = _scene((16, 18))
    parts = decompose(model, sources)
    settings = ROW.presets["fused"]
    maps = gradient_maps(model, sources, settings, parts=parts)
    named = weigh(Weighing(name="a", settings=settings, channel=7), model, sources, parts)
    np.testing.assert_array_equal(named.losses, maps[..., 7])
    assert named.channel == 7
    auto = weigh(Weighing(name="b", settings=settings, channel="auto"), model, sources, parts)
    np.testing.assert_array_equal(auto.losses, maps[..., int(auto.channel)])


def test_the_theorems_losses_are_the_components_distances(model):
    sources, _ = _scene((9, 8))
    parts = decompose(model, sources)
    losses = measure_losses(model, sources, parts, THEOREM)
    expected = jnp.abs(model.restore(parts.components) - sources).mean(-1)
    np.testing.assert_array_equal(losses, expected)


def test_static_weighing_is_even(model):
    sources, _ = _scene((9, 8))
    even = weigh(Weighing(name="static"), model, sources, decompose(model, sources))
    assert (even.weights == 1).all()
    assert (even.dominability == 0.5).all()
    assert len(jax.tree.leaves(even)) == 5
