"""Which known network a checkpoint looks like: by the keys and the shapes of its tensors."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ttd_jax.networks import NETWORKS
from ttd_jax.networks.layout import Layout, Transform
from ttd_jax.weights.unwrap import find_tensors, matching

# torch's count of training batches means nothing to a frozen network.
_COUNTER = "num_batches_tracked"
_ALIKE = 0.5  # the least share of keys in common of what is worth naming


def needed(layout: Layout, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors of a flat dict without those that no network of the layout needs."""
    return {
        key: tensor
        for key, tensor in tensors.items()
        if key not in layout.unused and not key.endswith(_COUNTER)
    }


def fits(transform: Transform, shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether a tensor of one shape becomes an array of another; nothing large is made for it."""
    if transform.rank not in (None, len(shape)) or math.prod(shape) != math.prod(wanted):
        return False
    return transform.function(np.zeros(shape, np.float32)).shape == wanted


def likeness(loaded: Any) -> list[str]:
    """The names of the networks that what was loaded fits best; none if it is like none of them."""
    by_layout, scores = {}, {}
    for spec in NETWORKS.values():
        if spec.layout is not None:
            if id(spec.layout) not in by_layout:
                by_layout[id(spec.layout)] = find_tensors(spec.layout, loaded) or {}
            scores[spec.name] = _score(spec, by_layout[id(spec.layout)])
    best = max(scores.values(), default=0)
    return [name for name, score in scores.items() if score == best > 0]


def _score(spec, tensors):
    """The share of keys that checkpoint and layout have in common, and that of shapes."""
    tensors, table = needed(spec.layout, tensors), spec.layout.table
    common, every = matching(spec.layout, tensors), tensors.keys() | table.keys()
    if len(common) < max(1, _ALIKE * len(every)):
        return 0
    try:
        shapes = spec.shapes(spec.fit(tensors))
        right = [
            key
            for key in common
            if fits(table[key].transform, tuple(tensors[key].shape), shapes[table[key].path].shape)
        ]
    except Exception:  # a plug-in's module may raise anything
        return 0
    return (len(common) + len(right)) / len(every)
