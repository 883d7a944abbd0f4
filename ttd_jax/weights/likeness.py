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
    """The names of the networks that what was loaded fits best; none if it is like none of them.

    They are told by the share of keys that checkpoint and layout have in common, and of those the
    share whose tensors have the network's shapes.
    """
    specs = [spec for spec in NETWORKS.values() if spec.layout is not None]
    layouts = {id(spec.layout): spec.layout for spec in specs}
    common = {key: _common(layout, loaded) for key, layout in layouts.items()}
    alike = [(spec, *common[id(spec.layout)]) for spec in specs]
    scores, best = {}, 0
    for spec, share, tensors in sorted(alike, key=lambda one: -one[1]):
        if share >= _ALIKE and 2 * share >= best:  # or not even the right shapes would help
            scores[spec.name] = share + share * _fitting(spec, tensors)
            best = max(best, scores[spec.name])
    return [name for name, score in scores.items() if score == best]


def _common(layout, loaded):
    """The share of keys in common, and the tensors that have them."""
    tensors = needed(layout, find_tensors(layout, loaded) or {})
    common = matching(layout, tensors)
    share = len(common) / max(1, len(tensors.keys() | layout.table.keys()))
    return share, {key: tensors[key] for key in common}


def _fitting(spec, tensors):
    """The share of tensors that have the shapes of a network."""
    try:
        shapes = spec.shapes(spec.fit(tensors))
        targets = {key: spec.layout.table[key] for key in tensors}
        right = [
            fits(target.transform, tuple(tensors[key].shape), shapes[target.path].shape)
            for key, target in targets.items()
        ]
    except Exception:  # a plug-in's module may raise anything
        return 0
    return sum(right) / len(right)
