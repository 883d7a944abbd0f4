"""What a study measures is what fusion and metrics give by themselves."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.random_models import random_model
from ttd_jax import dynamic_fuse, metrics, static_fuse
from ttd_jax.analysis import probing, program
from ttd_jax.analysis.corruptions import CORRUPTIONS
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
        gray = metrics.fused_planes(quantize(fusion.image, how="truncate"))
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


SIZES = ((21, 18), (15, 29))


def _in_arrays(arrays, size):
    """Pictures [M, H, W, ...] in the corner of larger arrays that hold anything beyond them."""
    height, width = size
    filled = np.full((len(arrays), 32, 32, *arrays.shape[3:]), 0.7, np.float32)
    filled[:, :height, :width] = arrays
    return filled


@pytest.mark.parametrize(("name", "sizes"), [("ifcnn_sum", SIZES), ("piafusion", SIZES[1:])])
def test_scenes_of_many_sizes_share_a_program_and_keep_their_measures(name, sizes):
    model = random_model(name)
    settings = model.settings
    options = {
        "weighings": (
            Weighing(name="static"),
            Weighing(name="ttd", settings=settings),
            Weighing(name="gradient", settings=settings, channel="all"),
            Weighing(name="auto", settings=settings, channel="auto"),
            Weighing(name="adaptive", settings=settings, adaptive=True),
        ),
        "how": "round",
        "protocol": "paper",
        "names": NAMES,
        "theory": True,
    }
    measure = functools.partial(program.measure_scene, **options)
    chex.clear_trace_counter()
    traced_once = chex.assert_max_traces(program.measure_scene, n=1)
    bucket = jax.jit(functools.partial(traced_once, **options))
    for size in sizes:
        sources, grays = _scene(size)
        sources = sources[..., : model.spec.channels]
        found = bucket(model, _in_arrays(sources, size), _in_arrays(grays, size), jnp.array(size))
        expected = jax.jit(measure)(model, sources, grays)
        for name, values in (expected[0] | expected[1]).items():
            own = (found[0] | found[1])[name]
            np.testing.assert_allclose(own[:-1], values[:-1], rtol=1e-5, atol=1e-8, err_msg=name)
            # Where the minimum that t is chosen by is flat, rounding moves t by more than itself.
            np.testing.assert_allclose(own[-1], values[-1], rtol=1e-2, err_msg=name)


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_damaged_scenes_of_many_sizes_share_a_program_and_keep_their_dominability(corruption):
    model = random_model("ifcnn_sum")
    settings = ROW.presets["intensity"]
    weighings = tuple(
        Weighing(name=f"{s}", settings=settings, coordinate=s, curve="one") for s in (0.5, 1.0)
    )
    options = {"weighings": weighings, "corruption": corruption, "damaged": 1}

    def both(*args):
        _, pictures = probing.damaged_dominability(*args, **options)
        return probing.probe_scene(*args, **options), pictures

    chex.clear_trace_counter()
    bucket = jax.jit(chex.assert_max_traces(both, n=1))
    for size in SIZES:
        sources, key = _scene(size)[0], jax.random.key(4)
        (found, _), shown = bucket(model, _in_arrays(sources, size), key, jnp.array(size))
        (expected, _), pictures = jax.jit(both)(model, sources, key)
        np.testing.assert_allclose(shown[:, : size[0], : size[1]], pictures, atol=1e-6)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-5, err_msg=name)
