"""Torch states of the registry's networks, as the authors' checkpoints would be flattened."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from flax import traverse_util

from ttd_jax.networks import layout as layouts
from ttd_jax.networks.random_variables import random_variables
from ttd_jax.networks.spec import NetworkSpec

_TO_TORCH = {
    layouts.AS_IS: lambda array: array,
    layouts.CONV: lambda array: array.transpose(3, 2, 0, 1),
    layouts.DENSE: lambda array: array.T[:, :, None, None],
    layouts.PER_HEAD: lambda array: array[:, None, None],
}


def as_state(spec: NetworkSpec, variables: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Torch key -> tensor for every spec of the layout's table: what `convert_tensors` undoes."""
    flat = traverse_util.flatten_dict(variables, sep="/")
    return {
        key: torch.tensor(np.ascontiguousarray(_TO_TORCH[to.transform](np.asarray(flat[to.path]))))
        for key, to in spec.layout.table.items()
    }


def random_state(spec: NetworkSpec, *, seed: int = 0) -> dict[str, torch.Tensor]:
    """The state of `random_variables`."""
    return as_state(spec, random_variables(spec, seed=seed))
