"""Where every tensor of an upstream checkpoint goes: explicit tables, one per layout."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

# Torch's axis orders to Flax's.
AS_IS = "as is"
CONV = "conv OIHW -> HWIO"
DENSE = "1x1 conv OI11 -> IO"

TRANSFORMS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    AS_IS: lambda tensor: tensor,
    CONV: lambda tensor: tensor.transpose(2, 3, 1, 0),
    DENSE: lambda tensor: tensor[:, :, 0, 0].T,
}
# Rank that each transform expects, where it expects one.
RANKS = {CONV: 4, DENSE: 4}


@dataclasses.dataclass(frozen=True)
class Target:
    """Where one tensor goes: path in the variables, joined by '/', and a key of `TRANSFORMS`."""

    path: str
    transform: str = AS_IS


@dataclasses.dataclass(frozen=True)
class Layout:
    """A kind of checkpoint.

    Attributes:
      table: torch key -> target.
      flatten: the loaded object -> flat dict of tensors; may raise `KeyError` naming what lacks.
    """

    table: Mapping[str, Target]
    flatten: Callable[[Mapping], Mapping] = dict


def batch_norm(torch_prefix: str, path: str) -> dict[str, Target]:
    """The four tensors of a BatchNorm layer; `path` is the module's."""
    return {
        f"{torch_prefix}.weight": Target(f"params/{path}/scale"),
        f"{torch_prefix}.bias": Target(f"params/{path}/bias"),
        f"{torch_prefix}.running_mean": Target(f"batch_stats/{path}/mean"),
        f"{torch_prefix}.running_var": Target(f"batch_stats/{path}/var"),
    }


_IFCNN = Layout(
    table={
        "conv1.weight": Target("params/conv1/conv/kernel", CONV),
        "conv2.conv.weight": Target("params/conv2/conv/conv/kernel", CONV),
        **batch_norm("conv2.bn", "conv2/bn"),
        "conv3.conv.weight": Target("params/conv3/conv/conv/kernel", CONV),
        **batch_norm("conv3.bn", "conv3/bn"),
        "conv4.weight": Target("params/conv4/kernel", DENSE),
        "conv4.bias": Target("params/conv4/bias"),
    }
)

LAYOUTS: Mapping[str, Layout] = {"ifcnn": _IFCNN}
