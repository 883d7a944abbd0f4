"""Exact folding for inference: neighboring linear layers become one.

Outputs stay the same up to rounding. A network that can be folded has the attribute `folded`,
which says what variables it expects, and the method `fold`, made of the functions below.
"""

from collections.abc import Mapping
from typing import Any

import chex
import jax
import jax.numpy as jnp
from flax import traverse_util

from ttd_jax.networks.model import Model


def fold(model: Model) -> Model:
    """The same network with fewer operations, for inference; folding twice changes nothing.

    Example:
      >>> fast = fold(model)
      >>> fast.module.folded
      True
    """
    if model.module.folded:
        return model
    return model.replace(
        variables=model.module.fold(model.variables), module=model.module.clone(folded=True)
    )


def fold_pointwise(variables: Mapping[str, Any], path: str, *, into: str) -> dict[str, Any]:
    """A bias-free 1x1 followed by a zero-padded convolution, as that convolution alone.

    Exact at the border as well: without bias, what is padded with zeros is zero before the 1x1.

    Args:
      variables: `{'params': ...}`.
      path: of the 1x1, '/'-joined, below 'params'; kernel f32[I, J].
      into: path of the convolution; kernel f32[K, K, J, O].

    Returns:
      New variables: `path` is gone and the kernel of `into` is f32[K, K, I, O].
    """
    flat = dict(traverse_util.flatten_dict(variables, sep="/"))
    first = flat.pop(f"params/{path}/kernel")
    second = flat[f"params/{into}/kernel"]
    chex.assert_rank([first, second], [2, 4])
    flat[f"params/{into}/kernel"] = jnp.einsum(
        "ij,kljo->klio", first, second, precision=jax.lax.Precision.HIGHEST
    )
    return traverse_util.unflatten_dict(flat, sep="/")


def fold_batch_norm(
    variables: Mapping[str, Any], path: str, *, into: str, epsilon: float
) -> dict[str, Any]:
    """A convolution followed by a frozen BatchNorm, as one convolution with bias.

    Args:
      variables: `{'params': ..., 'batch_stats': ...}`.
      path: of the BatchNorm, '/'-joined, below both collections.
      into: path of the convolution; kernel f32[K, K, I, O], with or without a bias f32[O].
      epsilon: the BatchNorm's.

    Returns:
      New variables: `path` is gone from both collections and `into` has a bias.
    """
    flat = dict(traverse_util.flatten_dict(variables, sep="/"))
    mean, variance = (flat.pop(f"batch_stats/{path}/{name}") for name in ("mean", "var"))
    scale, bias = (flat.pop(f"params/{path}/{name}") for name in ("scale", "bias"))
    gain = scale / jnp.sqrt(variance + epsilon)
    flat[f"params/{into}/kernel"] = flat[f"params/{into}/kernel"] * gain
    flat[f"params/{into}/bias"] = bias + (flat.get(f"params/{into}/bias", 0.0) - mean) * gain
    return traverse_util.unflatten_dict(flat, sep="/")
