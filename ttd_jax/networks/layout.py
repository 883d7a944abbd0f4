"""How checkpoints are laid out: where each tensor goes, by explicit tables."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np


@dataclasses.dataclass(frozen=True)
class Transform:
    """How a torch tensor becomes a Flax one.

    Attributes:
      name: for messages.
      function: of the array.
      rank: that the tensor must have; None for any.
    """

    name: str
    function: Callable[[np.ndarray], np.ndarray]
    rank: int | None = None


AS_IS = Transform("as is", lambda tensor: tensor)
CONV = Transform("conv OIHW -> HWIO", lambda tensor: tensor.transpose(2, 3, 1, 0), 4)
# A kernel larger than 1x1 will not fit.
DENSE = Transform("1x1 conv OI11 -> IO", lambda tensor: tensor.reshape(len(tensor), -1).T, 4)
LINEAR = Transform("linear OI -> IO", lambda tensor: tensor.T, 2)
PER_HEAD = Transform("heads H11 -> H", lambda tensor: tensor.reshape(-1), 3)


@dataclasses.dataclass(frozen=True)
class Target:
    """Where one tensor goes.

    Attributes:
      path: in the variables, joined by '/'.
      transform: how it gets there.
    """

    path: str
    transform: Transform = AS_IS


@dataclasses.dataclass(frozen=True)
class Layout:
    """A kind of checkpoint.

    Attributes:
      name: of the kind; networks whose checkpoints have the same keys share it.
      table: torch key -> target.
      flatten: the loaded object -> flat dict of tensors; may raise `KeyError` naming what lacks.
      unused: keys that checkpoints hold and the network does not need.
    """

    name: str
    table: Mapping[str, Target]
    flatten: Callable[[Mapping], Mapping] = dict
    unused: frozenset[str] = frozenset()


def batch_norm(torch_prefix: str, path: str) -> dict[str, Target]:
    """The four tensors of a BatchNorm layer; `path` is the module's."""
    return {
        f"{torch_prefix}.weight": Target(f"params/{path}/scale"),
        f"{torch_prefix}.bias": Target(f"params/{path}/bias"),
        f"{torch_prefix}.running_mean": Target(f"batch_stats/{path}/mean"),
        f"{torch_prefix}.running_var": Target(f"batch_stats/{path}/var"),
    }


def biased(torch_prefix: str, path: str, transform: Transform = CONV) -> dict[str, Target]:
    """Weight and bias of one layer; `path` is the module's."""
    return {
        f"{torch_prefix}.weight": Target(f"params/{path}/kernel", transform),
        f"{torch_prefix}.bias": Target(f"params/{path}/bias"),
    }


def plain(torch_prefix: str, path: str, transform: Transform = CONV) -> dict[str, Target]:
    """The weight of one layer without bias; `path` is the module's."""
    return {f"{torch_prefix}.weight": Target(f"params/{path}/kernel", transform)}
