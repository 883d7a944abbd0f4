"""Torch tensors to Flax variables, with proof that nothing is left over and nothing unset."""

import math
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import traverse_util

from ttd_jax.detectors import Detector
from ttd_jax.errors import UserError, one_line, some
from ttd_jax.networks import NETWORKS, Classifier, Model, NetworkSpec
from ttd_jax.weights import catalog
from ttd_jax.weights.torch_file import read_torch_file

# torch's count of training batches means nothing to a frozen network.
_IGNORED_SUFFIX = "num_batches_tracked"
# What trainings save a model's tensors under, and what wrappers of modules put before their keys.
_UNDER = ("state_dict", "model_state_dict", "model", "ema", "net", "params")
_BEFORE = ("module.", "_orig_mod.", "model.")


def convert_tensors(
    spec: NetworkSpec, tensors: Mapping[str, Any], *, name: str
) -> tuple[dict[str, Any], list[str]]:
    """Flax variables from a torch state dict.

    The layout's table tells where each tensor goes; all of them must fit, and every variable must
    be reached.

    Args:
      spec: of the network.
      tensors: flat dict of array-likes, torch key -> tensor, any float dtype.
      name: what to call the checkpoint in messages.

    Returns:
      `(variables, remarks)`: nested dict of f32 numpy arrays, and what the user should know.

    Raises:
      UserError: missing or extra keys, wrong shapes, non-float or non-finite values.
    """
    table = spec.layout.table
    tensors = {k: v for k, v in tensors.items() if not k.endswith(_IGNORED_SUFFIX)}
    _check_keys(spec, tensors, name)
    expected = spec.shapes(spec.fit(tensors))
    if odd := expected.keys() ^ {target.path for target in table.values()}:
        raise UserError(
            f"{spec.name}: the table of its layout {spec.layout.name!r} and the variables of its "
            f"module differ in {some(sorted(odd))}: mend the table"
        )
    flat, dtypes = {}, set()
    for key, target in table.items():
        transform, wanted = target.transform, expected[target.path].shape
        shape = tuple(tensors[key].shape)
        moved = None
        # A tensor may claim to be far larger than its file: nothing is done before it fits.
        if transform.rank in (None, len(shape)) and math.prod(shape) == math.prod(wanted):
            moved = transform.function(_as_float32(tensors[key], key, name, dtypes))
        if moved is None or moved.shape != wanted:
            raise UserError(
                f"{name}: tensor {key!r} has shape {shape}, which does not fit {spec.name} "
                f"({transform.name} must give {wanted}): is it a checkpoint of {spec.name}?"
            )
        flat[target.path] = np.ascontiguousarray(moved)
    remarks = [f"{d} tensors were widened to float32" for d in sorted(dtypes - {"float32"})]
    return traverse_util.unflatten_dict(flat, sep="/"), remarks


def convert_checkpoint(
    spec: NetworkSpec, path: pathlib.Path
) -> tuple[Model | Classifier | Detector, dict[str, Any], list[str]]:
    """A `.pth` file as a `Model` (or `Classifier`, `Detector`) with what is known of its origin.

    Returns:
      `(model, source, remarks)`; `source` goes into the manifest.

    Raises:
      UserError: see `read_torch_file` and `convert_tensors`; or the file is known to be another
        model's.
    """
    if spec.layout is None:
        raise UserError(
            f"{spec.name}: no checkpoint of it can be converted: its spec has no layout"
        )
    loaded = read_torch_file(path)
    digests = catalog.digests_of(path)
    known = catalog.recognize(digests)
    if known is not None and known.model != spec.name:
        raise UserError(
            f"{path}: this is {known.file} of {known.project}, the weights of {known.model}: "
            f"pass --model={known.model}"
        )
    tensors = _flatten(spec, loaded, path)
    if not spec.layout.table.keys() & tensors.keys() and (hint := _other_model(spec, loaded)):
        raise UserError(f"{path}: not a checkpoint of {spec.name}: {hint}")
    variables, remarks = convert_tensors(spec, tensors, name=str(path))
    if known is None and (others := _fitting_as_well(spec, tensors)):
        remarks.append(
            f"the file is not known: it is taken for {spec.name}, though its tensors would fit "
            f"{' and '.join(others)} as well"
        )
    source = {
        "sha256": digests.sha256,
        "known_as": known.origin if known else None,
        "license": known.license if known else "unknown: not a file this version knows",
    }
    return spec.bind(variables, settings=spec.fit(tensors)), source, remarks


def _flatten(spec, loaded, path):
    tensors = _tensors(spec.layout, loaded)
    if tensors is None:
        hint = _other_model(spec, loaded)
        raise UserError(
            f"{path}: not laid out as a checkpoint of {spec.name}: "
            f"{hint or _lacking(spec.layout, loaded) or 'pass its .pth file'}"
        )
    return tensors


def _lacking(layout, loaded):
    """What a layout finds fault with, as it says it; None if it says nothing."""
    try:
        layout.flatten(loaded)
    except Exception as error:  # a plug-in's function may raise anything
        return one_line(error)
    return None


def _tensors(layout, loaded):
    """The flat dict of tensors that a layout finds in what was loaded; None if it has another."""
    found = [tensors for one in _unwrapped(loaded) if (tensors := _flat(layout, one)) is not None]
    return max(found, key=lambda tensors: len(layout.table.keys() & tensors.keys()), default=None)


def _flat(layout, loaded):
    try:
        tensors = layout.flatten(loaded)
        named = all(isinstance(key, str) and hasattr(t, "shape") for key, t in tensors.items())
    except Exception:  # a plug-in's function may raise anything
        return None
    return tensors if named and tensors else None


def _unwrapped(loaded, depth=2):
    """What was loaded as it is, and without what trainings put around a model's tensors."""
    if not isinstance(loaded, Mapping):
        return
    yield loaded
    yield _without_prefixes(loaded)
    for name in _UNDER if depth else ():
        yield from _unwrapped(loaded.get(name), depth - 1)


def _without_prefixes(tensors, depth=1):
    """A dict of tensors, or of such dicts, without a prefix that all of its keys have."""
    if depth and all(isinstance(value, Mapping) for value in tensors.values()):
        return {name: _without_prefixes(value, 0) for name, value in tensors.items()}
    for prefix in _BEFORE if tensors else ():
        if all(isinstance(key, str) and key.startswith(prefix) for key in tensors):
            short = {key.removeprefix(prefix): tensor for key, tensor in tensors.items()}
            return _without_prefixes(short, depth)
    return tensors


def _check_keys(spec, tensors, name):
    table = spec.layout.table
    missing = [key for key in table if key not in tensors]
    extra = [key for key in tensors if key not in table]
    if not missing and not extra:
        return
    hint = _other_model(spec, tensors)
    if hint:
        raise UserError(f"{name}: not a checkpoint of {spec.name}: {hint}")
    parts = [
        f"{label} {len(keys)} ({some(keys, 3)})"
        for label, keys in (("missing keys:", missing), ("unexpected keys:", extra))
        if keys
    ]
    raise UserError(
        f"{name}: does not fit {spec.name}: {'; '.join(parts)}: is it a checkpoint of {spec.name}?"
    )


def _other_model(spec, loaded):
    """Which other layout `loaded` fits, as advice; None if none does."""
    layouts = {s.layout.name: s.layout for s in NETWORKS.values() if s.layout is not None}
    # A deeper network has the keys of a shallow one as well: the largest first.
    for layout in sorted(layouts.values(), key=lambda layout: -len(layout.table)):
        tensors = _tensors(layout, loaded) if layout.name != spec.layout.name else None
        if tensors is not None and layout.table.keys() <= tensors.keys():
            models = [s.name for s in NETWORKS.values() if s.layout is layout]
            return f"it looks like one of {' / '.join(models)}: pass --model={models[0]}"
    return None


def _fitting_as_well(spec, tensors):
    """Names of other networks whose checkpoints have the same keys and shapes."""
    shapes = spec.shapes(spec.fit(tensors))
    return [
        other.name
        for other in NETWORKS.values()
        if other is not spec
        and other.layout is spec.layout
        and other.shapes(other.fit(tensors)) == shapes
    ]


def _as_float32(tensor, key, name, dtypes):
    dtype = str(tensor.dtype).removeprefix("torch.")
    if getattr(tensor, "is_meta", False) or getattr(tensor, "is_sparse", False):
        raise UserError(f"{name}: tensor {key!r} is sparse or holds no values: save it densely")
    if not dtype.startswith(("float", "bfloat")):
        raise UserError(f"{name}: tensor {key!r} is {dtype}, not floating point: wrong checkpoint?")
    dtypes.add(dtype)
    tensor = tensor.detach().float().numpy() if hasattr(tensor, "detach") else tensor
    array = np.asarray(tensor, np.float32)
    if not np.isfinite(array).all():
        raise UserError(
            f"{name}: tensor {key!r} holds NaN or Inf: the file is damaged or its training "
            "diverged: use another checkpoint"
        )
    return array
