"""Random weights that keep a network's signal alive: timings and tests need no trained ones."""

import numpy as np
from flax import traverse_util

from ttd_jax.networks.spec import NetworkSpec


def random_variables(spec: NetworkSpec, *, seed: int = 0) -> dict:
    """Variables f32 for a network.

    Kernels shrink what passes through a little (larger ones blow up CDDFuse's exponentials), then
    go through the spec's `random_kernel`; scales, variances and temperatures lie about one, biases
    and means about zero.

    Args:
      spec: of the network.
      seed: of the random numbers.

    Returns:
      `{'params': ..., 'batch_stats': ...}` of numpy arrays.
    """
    rng = np.random.default_rng(seed)
    # In the order of the layout, which stays the same when a module names its layers anew.
    shapes = spec.shapes()
    paths = [t.path for t in spec.layout.table.values()] if spec.layout else sorted(shapes)
    flat = {}
    for path in paths:
        name = path.rsplit("/", 1)[1]
        values = _draw(rng, name, shapes[path].shape)
        if spec.random_kernel is not None and name == "kernel":
            values = spec.random_kernel(values)
        flat[path] = np.float32(values)
    return traverse_util.unflatten_dict(flat, sep="/")


def _draw(rng, name, shape):
    if name in ("kernel", "project"):
        return rng.standard_normal(shape) / np.sqrt(2 * np.prod(shape[:-1]))
    if name in ("scale", "var", "temperature"):
        return rng.uniform(0.5, 1.5, shape)
    if name in ("bias", "mean"):
        return 0.2 * rng.standard_normal(shape)
    return rng.standard_normal(shape) / np.sqrt(2 * max(np.prod(shape[:-1]), 1))  # of a plug-in
