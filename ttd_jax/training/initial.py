"""Initial parameters by design, from which a small network trains in minutes.

`bands` makes an IFCNN begin as a textbook multi-scale fusion: its first layer splits a picture
into frequency bands, the merge takes or adds each band's positive and negative parts, and the rest
puts the bands together again. Training goes on from there; nothing of it is frozen.

Source: after Burt and Kolczynski, "Enhanced image capture through fusion", ICCV 1993; putting it
into the weights of an IFCNN is ours.
"""

import itertools
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from ttd_jax.networks import Network
from ttd_jax.networks.ifcnn import IFCNN

_SIGMAS = (0.7, 1.4, 2.8)  # of the Gaussians between which the bands lie, in pixels
_GAIN = {"max": (1.0, 1.0), "mean": (2.0, 1.0), "sum": (1.0, 0.5)}  # of the bands and of the rest
_OTHERS = 0.3  # of the usual spread, for channels without a band


def bands(variables: Mapping, module: Network) -> Mapping:
    """Variables of an IFCNN that fuses band by band.

    Args:
      variables: `{'params': ..., 'batch_stats': ...}` of an unfolded IFCNN, freshly initialized.
      module: the IFCNN.

    Returns:
      The same structure. Channels beyond the bands keep random filters, unheard at first.

    Raises:
      ValueError: another network.
    """
    if not isinstance(module, IFCNN):
        raise ValueError("only an IFCNN can begin with bands")
    params = jax.tree.map(lambda leaf: leaf, variables["params"])
    filters = _filters(params["conv1"]["conv"]["kernel"].shape[0])
    used = 2 * 3 * len(filters)  # positive and negative parts of three colors
    signs = jnp.tile(jnp.repeat(jnp.array([1.0, -1.0]), 3), len(filters))
    colors = jnp.tile(jnp.eye(3), (2 * len(filters), 1))  # [used, 3]

    first = _OTHERS * params["conv1"]["conv"]["kernel"]
    stacked = jnp.repeat(jnp.stack(filters), 6, axis=0)  # [used, 7, 7]
    own = jnp.einsum("kyx,kc,k->yxck", stacked, colors, signs)
    params["conv1"] = {"conv": {"kernel": first.at[..., :used].set(own)}}
    for layer in ("conv2", "conv3"):
        kernel = _OTHERS * params[layer]["conv"]["conv"]["kernel"]
        kernel = kernel.at[..., :used].set(0.0).at[:, :, :used, :].set(0.0)
        kernel = kernel.at[1, 1, :used, :used].set(jnp.eye(used))
        params[layer] = {**params[layer], "conv": {"conv": {"kernel": kernel}}}
    detail, rest = _GAIN[module.operator]
    gains = jnp.array([detail] * (len(filters) - 1) + [rest])
    last = (signs * jnp.repeat(gains, 6))[:, None] * colors
    kernel = jnp.zeros_like(params["conv4"]["kernel"]).at[:used].set(last)
    params["conv4"] = {**params["conv4"], "kernel": kernel}
    return {**variables, "params": params}


# name -> function (fresh variables, module) -> variables to begin with.
INITIAL = {"random": lambda variables, module: variables, "bands": bands}


def _filters(size):
    """Filters [size, size] whose sum is the identity: from fine detail to the smooth rest."""
    center = jnp.zeros((size, size)).at[size // 2, size // 2].set(1.0)
    steps = [center, *(_gaussian(size, sigma) for sigma in _SIGMAS)]
    return [a - b for a, b in itertools.pairwise(steps)] + [steps[-1]]


def _gaussian(size, sigma):
    offsets = jnp.arange(size) - size // 2
    window = jax.nn.softmax(-0.5 * jnp.square(offsets / sigma))
    return window[:, None] * window[None, :]
