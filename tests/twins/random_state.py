"""Random torch checkpoints of the registry's networks, as the authors' would be flattened."""

import numpy as np
import torch

from ttd_jax.backbones import variable_shapes
from ttd_jax.checkpoints import layouts

_TO_TORCH = {
    layouts.AS_IS: lambda array: array,
    layouts.CONV: lambda array: array.transpose(3, 2, 0, 1),
    layouts.DENSE: lambda array: array.T[:, :, None, None],
    layouts.PER_HEAD: lambda array: array[:, None, None],
}


def random_state(row, *, seed=0):
    """Torch key -> tensor for every row of the layout's table.

    Kernels shrink what passes through a little (larger ones blow up CDDFuse's exponentials);
    scales, variances and temperatures lie about one, biases and means about zero.
    """
    rng = np.random.default_rng(seed)
    shapes = variable_shapes(row)
    state = {}
    for key, target in layouts.LAYOUTS[row.layout].table.items():
        shape = shapes[target.path].shape
        name = target.path.rsplit("/", 1)[1]
        if name in ("kernel", "project"):
            values = rng.standard_normal(shape) / np.sqrt(2 * np.prod(shape[:-1]))
        elif name in ("scale", "var", "temperature"):
            values = rng.uniform(0.5, 1.5, shape)
        elif name in ("bias", "mean"):
            values = 0.2 * rng.standard_normal(shape)
        else:
            raise KeyError(f"no rule for {target.path}")
        state[key] = torch.tensor(_TO_TORCH[target.transform](values), dtype=torch.float32)
    return state
