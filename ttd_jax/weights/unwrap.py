"""The tensors that a layout knows, found in what trainings put around them."""

import collections
from collections.abc import Mapping, Set
from typing import Any

from ttd_jax.networks import Layout

# What trainings save a model's tensors under; of several that fit, the first is taken.
_UNDER = ("state_dict", "model_state_dict", "model", "module", "ema", "net", "params", "weight")
# What wrappers of modules put into keys: DataParallel, torch.compile, Lightning.
_WRAPPERS = frozenset(("module", "_orig_mod", "model"))


def find_tensors(layout: Layout, loaded: Any, depth: int = 3) -> dict[str, Any] | None:
    """The tensors of a checkpoint, by the keys of a layout.

    They may be in dicts within dicts, beside what has nothing to do with the layout, or in several
    that have no key in common, such as those of an encoder and a decoder.

    Args:
      layout: of the checkpoint.
      loaded: what its file holds.
      depth: how many dicts may be around the tensors.

    Returns:
      Key -> tensor; keys that the layout does not know are as they were. None if nothing in it is
      laid out like this.
    """
    if isinstance(loaded, (list, tuple)):
        loaded = dict(loaded if all(map(_is_named, loaded)) else enumerate(loaded))
    if not isinstance(loaded, Mapping):
        return None
    inner = {
        name: find_tensors(layout, value, depth - 1)
        for name, value in loaded.items()
        if depth and _is_collection(value)
    }
    parts = [tensors for tensors in inner.values() if tensors and matching(layout, tensors)]
    found = [*_flat(layout, loaded), *(inner.get(name) for name in _UNDER), _united(layout, parts)]
    return max(filter(None, found), key=lambda one: len(matching(layout, one)), default=None)


def matching(layout: Layout, tensors: Mapping[str, Any]) -> Set[str]:
    """The keys of a flat dict that the layout knows."""
    return tensors.keys() & layout.table.keys()


def _is_collection(value):
    return isinstance(value, (Mapping, list, tuple))


def _is_named(value):
    return isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[0], str)


def _united(layout, parts):
    """All tensors of several dicts in one; nothing if it cannot be told which of them to take."""
    united = {key: tensor for tensors in parts for key, tensor in tensors.items()}
    once = sum(len(matching(layout, tensors)) for tensors in parts)
    return united if len(matching(layout, united)) == once else {}


def _flat(layout, loaded):
    """The flat dicts of tensors that a dict is by its layout, or by itself."""
    # Such as the number of the epoch: a dict of state dicts may have it beside them.
    kept = {k: v for k, v in loaded.items() if _is_collection(v) or hasattr(v, "shape")}
    for flatten, state in ((layout.flatten, loaded), (layout.flatten, kept), (dict, kept)):
        try:
            tensors = flatten(state)
            named = {k: t for k, t in tensors.items() if isinstance(k, str) and hasattr(t, "shape")}
        except Exception:  # a plug-in's function may raise anything
            continue
        yield _unwrapped(layout, named)


def _unwrapped(layout, tensors):
    """The tensors by the layout's keys, which may be between words of wrappers in the file's."""
    known = (*layout.table, *layout.unused)
    shorts = collections.Counter(map(_short, known))
    by_short = {_short(key): key for key in known if shorts[_short(key)] == 1}
    found = {}
    for key, tensor in tensors.items():
        name = key if key in layout.table else by_short.get(_short(key), key)
        found[key if name in tensors or name in found else name] = tensor
    return found


def _short(key):
    return ".".join(word for word in key.split(".") if word not in _WRAPPERS)
