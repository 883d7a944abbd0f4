"""Prints, as JSON, what one process of several knows after two steps of a common training.

Run as `two_processes ADDRESS INDEX`, each process with two devices.
"""

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax.training.optimizer import OptimizerOptions, make_optimizer
from ttd_jax.training.state import TrainState
from ttd_jax.training.step import make_step


def objective(variables, sample):
    """The mean square of w x."""
    loss = jnp.mean(jnp.square(variables["params"]["w"] * sample["sources"]))
    return loss, {"square": loss}


def main(address, index):
    """Trains on samples 4 INDEX to 4 INDEX + 3."""
    jax.distributed.initialize(address, num_processes=2, process_id=index)
    variables = {"params": {"w": np.float32(2)}}
    optimizer = make_optimizer(
        OptimizerOptions(method="sgd", learning_rate=0.01), variables["params"]
    )
    step = make_step(objective, optimizer)
    state = TrainState.create(variables, optimizer)
    samples = np.arange(4 * index, 4 * index + 4, dtype=np.float32).reshape(2, 2, 1, 1)
    for _ in range(2):
        state, metrics = step(state, {"sources": samples})
    print(
        json.dumps(
            {
                "w": float(state.params["w"]),
                "step": int(state.step),
                "loss": float(metrics["loss"]),
                "devices": jax.device_count(),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
