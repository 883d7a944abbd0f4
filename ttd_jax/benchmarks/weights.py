"""Random weights that keep a network's signal alive: timing needs no trained ones."""

import numpy as np
from flax import traverse_util

from ttd_jax.backbones import NetworkRow, variable_shapes
from ttd_jax.checkpoints.layouts import LAYOUTS


def random_variables(row: NetworkRow, *, seed: int = 0) -> dict:
    """Variables f32 for a network.

    Kernels shrink what passes through a little (larger ones blow up CDDFuse's exponentials), but
    PIAFusion's, which would lose all contrast on the way; scales, variances and temperatures lie
    about one, biases and means about zero.

    Args:
      row: the network.
      seed: of the random numbers.

    Returns:
      `{'params': ..., 'batch_stats': ...}` of numpy arrays.
    """
    rng = np.random.default_rng(seed)
    shapes = variable_shapes(row)
    flat = {}
    for target in LAYOUTS[row.layout].table.values():
        shape = shapes[target.path].shape
        name = target.path.rsplit("/", 1)[1]
        values = _draw(rng, name, shape)
        if row.layout == "piafusion" and name == "kernel":
            values = _keep_contrast(values)
        flat[target.path] = np.float32(values)
    return traverse_util.unflatten_dict(flat, sep="/")


def _draw(rng, name, shape):
    if name in ("kernel", "project"):
        return rng.standard_normal(shape) / np.sqrt(2 * np.prod(shape[:-1]))
    if name in ("scale", "var", "temperature"):
        return rng.uniform(0.5, 1.5, shape)
    if name in ("bias", "mean"):
        return 0.2 * rng.standard_normal(shape)
    raise KeyError(f"no rule for the variable {name!r}")


def _keep_contrast(kernel):
    """The kernel with the gain that LeakyReLU takes away, blind to the mean of what comes in."""
    inputs = tuple(range(kernel.ndim - 1))
    if np.prod(kernel.shape[:-1]) > 1:  # the first layer sees nothing but one grey
        kernel = kernel - kernel.mean(axis=inputs, keepdims=True)
    return 2 * kernel
