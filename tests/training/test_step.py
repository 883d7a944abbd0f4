"""The step: the same on any number of devices, processes and micro-batches; safe from NaN."""

import json
import os
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttd_jax.training.optimizer import OptimizerOptions, make_optimizer
from ttd_jax.training.state import TrainState
from ttd_jax.training.step import make_step


def start(request, module, *words, devices):
    environment = os.environ | {
        "JAX_NUM_CPU_DEVICES": str(devices),
        "JAX_PLATFORMS": "cpu",
        # More would cost more than it saves; at level 0, convolutions in a loop are slow.
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "false",
        "XLA_FLAGS": "--xla_backend_optimization_level=1 --xla_cpu_use_fusion_emitters=false",
    }
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.training.{module}", *words],
        cwd=request.config.rootpath,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def deviations(request):
    """How far four devices are from one."""
    return finish(start(request, "four_devices", devices=4))


@pytest.mark.parametrize("how", ["accumulated", "spread"])
def test_gradient_on_four_devices_is_that_of_the_whole_batch(deviations, how):
    assert deviations[f"gradient, {how}"] <= 1e-6
    assert deviations[f"metrics, {how}"] <= 1e-4


def test_parameters_after_a_step_on_four_devices_are_those_of_the_whole_batch(deviations):
    assert deviations["params under Adam, in learning rates"] <= 0.05
    assert deviations["params under SGD"] <= 1e-6


def test_two_processes_train_one_state(request):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    processes = [
        start(request, "two_processes", address, str(index), devices=2) for index in range(2)
    ]
    first, second = (finish(process) for process in processes)
    assert first == second
    mean = np.mean(np.arange(8.0) ** 2)
    factor = 1 - 0.01 * 2 * mean
    assert first["w"] == pytest.approx(2 * factor**2, rel=1e-4)
    assert first["loss"] == pytest.approx((2 * factor) ** 2 * mean, rel=1e-4)
    assert (first["step"], first["devices"]) == (2, 4)


# One device, a small objective ----------------------------------------------------------------


def objective(variables, sample):
    """The mean square of scale (w x + b)."""
    params = variables["params"]
    out = variables["constants"]["scale"] * (params["w"] * sample["sources"] + params["b"])
    loss = jnp.mean(jnp.square(out))
    return loss, {"square": loss, "mean": jnp.mean(out)}


VARIABLES = {
    "params": {"w": np.full(3, 2.0, np.float32), "b": np.ones(3, np.float32)},
    "constants": {"scale": np.float32(1.5)},
}


def prepare(**options):
    optimizer = make_optimizer(OptimizerOptions(learning_rate=0.01, **options), VARIABLES["params"])
    step = make_step(objective, optimizer, devices=jax.devices()[:1])
    return TrainState.create(VARIABLES, optimizer), step


def batch(accumulate, samples, seed=0):
    rng = np.random.default_rng(seed)
    return {"sources": rng.random((1, accumulate, samples, 2, 4, 4, 3), np.float32)}


def test_accumulating_equals_the_batch_at_once():
    state, step = prepare(method="sgd")
    whole, wide = step(state, batch(1, 6))
    parts, summed = step(state, batch(3, 2))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), (whole, wide), (parts, summed)
    )


def test_metrics_are_scalars_of_the_documented_names_and_training_lowers_the_loss():
    state, step = prepare()
    measured = []
    for _ in range(20):
        state, metrics = step(state, batch(1, 4))
        measured.append(float(metrics["loss"]))
    assert metrics.keys() == {
        *("loss", "terms/square", "terms/mean", "grad_norm", "learning_rate", "finite")
    }
    assert all(figure.shape == () for figure in metrics.values())
    assert measured == sorted(measured, reverse=True)
    assert int(state.step) == 20
    assert state.variables["constants"] == {"scale": 1.5}


def test_the_norm_of_the_gradient_counts_what_trains_before_clipping():
    state, step = prepare(method="sgd", frozen=("b",), clip_norm=1e-3)
    samples = batch(1, 4)
    after, metrics = step(state, samples)

    def loss(w):
        variables = {**VARIABLES, "params": {**VARIABLES["params"], "w": w}}
        return objective(variables, {"sources": samples["sources"]})[0]

    expected = np.linalg.norm(jax.grad(loss)(jnp.full(3, 2.0)))
    np.testing.assert_allclose(metrics["grad_norm"], expected, rtol=1e-5)
    moved = np.linalg.norm(after.params["w"] - state.params["w"])
    np.testing.assert_allclose(moved, 0.01 * 1e-3, rtol=0.05)
    np.testing.assert_array_equal(after.params["b"], state.params["b"])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e25])
def test_a_step_that_is_not_finite_leaves_the_state_as_it_was(value):
    state, step = prepare()
    state, _ = step(state, batch(2, 2))
    broken = batch(2, 2)
    broken["sources"][0, 1, 1, 0, 2, 2, 1] = value
    after, metrics = step(state, broken)
    assert not metrics["finite"]
    jax.tree.map(np.testing.assert_array_equal, after, state)
    after, metrics = step(after, batch(2, 2))
    assert metrics["finite"]
    assert int(after.step) == 2


def test_a_state_from_anywhere_is_compiled_for_once():
    traces = []

    def counted(variables, sample):
        traces.append(1)
        return objective(variables, sample)

    optimizer = make_optimizer(OptimizerOptions(), VARIABLES["params"])
    step = make_step(counted, optimizer)
    state = TrainState.create(VARIABLES, optimizer)
    samples = {"sources": np.ones((jax.local_device_count(), 1, 1, 2, 4, 4, 3), np.float32)}
    for _ in range(2):
        state, _ = step(state, samples)
        state, _ = step(jax.tree.map(np.asarray, state), samples)
    assert len(traces) == 1


def test_the_state_is_float32_and_does_not_share_memory_with_what_it_was_made_of():
    variables = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), VARIABLES)
    optimizer = make_optimizer(OptimizerOptions(), VARIABLES["params"])
    state = TrainState.create(variables, optimizer)
    variables["params"]["w"][:] = 7
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(state.variables))
    np.testing.assert_array_equal(state.params["w"], 2)
