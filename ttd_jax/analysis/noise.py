"""Noise on a network's parameters (Table 8)."""

import jax
import jax.numpy as jnp

from ttd_jax.networks import Model


def perturb(model: Model, level: float, seed: int = 0) -> Model:
    """The model with Gaussian noise on its parameters.

    How the published noise is scaled is not stated. Here every tensor gets noise whose standard
    deviation is `level` times the tensor's own; running statistics stay as they are.

    Args:
      model: the network.
      level: share of each tensor's standard deviation, such as 0.1; 0 changes nothing.
      seed: the noise of one seed has the same direction at every level.
    """
    leaves, structure = jax.tree.flatten(model.variables["params"])
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    noisy = [
        leaf + level * jnp.std(leaf) * jax.random.normal(key, leaf.shape, leaf.dtype)
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    params = jax.tree.unflatten(structure, noisy)
    return model.replace(variables={**model.variables, "params": params})
