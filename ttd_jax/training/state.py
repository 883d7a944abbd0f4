"""The state of a training: one pytree, the same on every device."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from ttd_jax.training.optimizer import Optimizer


@struct.dataclass
class TrainState:
    """All that a training carries from step to step. Unreplicated: no leading device axis.

    Attributes:
      step: i32[], how many updates were made.
      params: f32 leaves, what is trained.
      constants: the other collections of the variables (`batch_stats`), which no step changes.
      opt_state: the optimizer's.
    """

    step: jax.Array
    params: Any
    constants: Any
    opt_state: Any

    @property
    def variables(self) -> dict:
        """What `module.apply` and `Model` take."""
        return {"params": self.params, **self.constants}

    @classmethod
    def create(cls, variables: Mapping, optimizer: Optimizer) -> "TrainState":
        """The state before the first step; the variables are copied to float32 arrays of JAX."""
        variables = jax.tree.map(lambda leaf: jnp.array(leaf, jnp.float32), dict(variables))
        params = variables.pop("params")
        return cls(
            step=jnp.zeros((), jnp.int32),
            params=params,
            constants=variables,
            opt_state=optimizer.transformation.init(params),
        )
