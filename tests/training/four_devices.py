"""Prints, as JSON, how far a step spread over four devices is from one on the whole batch.

Run in a process of its own: JAX learns at its start how many devices to make.
"""

import json

import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax.networks import lookup
from ttd_jax.training.objectives import make_objective
from ttd_jax.training.optimizer import OptimizerOptions, make_optimizer
from ttd_jax.training.state import TrainState
from ttd_jax.training.step import make_step

RATE = 1e-2
EPSILON = 1e-3  # of Adam: rounding may turn the sign of a gradient of nearly 0


def compare():
    """Deviations of IFCNN; what is compared knows no network."""
    row = lookup("ifcnn_sum")
    module = row.build()
    variables = jax.jit(module.init)(jax.random.key(0), jnp.zeros(row.input_shape))
    objective = make_objective("unsupervised", module, row.presets["fused"])
    scenes = np.asarray(jax.random.uniform(jax.random.key(1), (8, 2, 12, 12, row.channels)))

    def one_step(method, devices, accumulate):
        options = OptimizerOptions(
            method=method, learning_rate=RATE, momentum=0.9, betas=(0.5, 0.999), epsilon=EPSILON
        )
        optimizer = make_optimizer(options, variables["params"])
        step = make_step(objective, optimizer, devices=jax.devices()[:devices])
        shape = (devices, accumulate, 8 // devices // accumulate, *scenes.shape[1:])
        state = TrainState.create(variables, optimizer)
        state, metrics = step(state, {"sources": scenes.reshape(shape)})
        assert metrics["finite"]
        assert len(metrics["loss"].sharding.device_set) == devices
        return state, {name: float(figure) for name, figure in metrics.items()}

    begin = _flat(variables["params"])
    state, whole = one_step("sgd", 1, 1)
    gradient, params = _flat(_moment(state, "trace")), _flat(state.params)
    assert np.abs(gradient).max() > 0.1
    adam, accumulated = one_step("adam", 4, 2)
    expected = begin - RATE * gradient / (np.abs(gradient) + EPSILON)
    state, spread = one_step("sgd", 4, 1)
    return {
        "gradient, accumulated": _excess(2 * _flat(_moment(adam, "mu")), gradient),
        "metrics, accumulated": _relative(accumulated, whole),
        "params under Adam, in learning rates": _distance(adam.params, expected) / RATE,
        "gradient, spread": _excess(_flat(_moment(state, "trace")), gradient),
        "metrics, spread": _relative(spread, whole),
        "params under SGD": _distance(state.params, params),
    }


def _distance(tree, expected):
    return float(np.abs(_flat(tree) - expected).max())


def _relative(figures, expected):
    return max(abs(figures[name] / expected[name] - 1) for name in expected)


def _excess(measured, expected):
    """By how much the largest deviation exceeds 1e-4 of the expected gradient."""
    return float(np.max(np.abs(measured - expected) - 1e-4 * np.abs(expected)))


def _moment(state, name):
    """What the optimizer remembers of the gradient after one step."""
    leaves = jax.tree_util.tree_leaves_with_path(state.opt_state)
    named = jax.tree_util.GetAttrKey(name)
    return [leaf for path, leaf in leaves if named in path]


def _flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


if __name__ == "__main__":
    assert jax.local_device_count() == 4
    print(json.dumps(compare()))
