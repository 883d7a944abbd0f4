"""Torch tensors to Flax variables, with proof that nothing is left over and nothing unset."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import traverse_util

from ttd_jax.detectors import Detector
from ttd_jax.errors import UserError, one_line, some
from ttd_jax.networks import NETWORKS, Classifier, Model, NetworkSpec
from ttd_jax.weights import catalog
from ttd_jax.weights.checkpoint_file import checkpoint_files, read_checkpoint_file
from ttd_jax.weights.likeness import fits, likeness, needed
from ttd_jax.weights.looks import strange_content
from ttd_jax.weights.unwrap import find_tensors, matching


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
    layout = spec.layout
    tensors = needed(layout, tensors)
    _check_keys(spec, tensors, name)
    expected = spec.shapes(spec.fit(tensors))
    if odd := expected.keys() ^ {target.path for target in layout.table.values()}:
        raise UserError(
            f"{spec.name}: the table of its layout {layout.name!r} and the variables of its "
            f"module differ in {some(sorted(odd))}: mend the table"
        )
    flat, dtypes = {}, set()
    for key, target in layout.table.items():
        transform, wanted = target.transform, expected[target.path].shape
        shape = tuple(tensors[key].shape)
        # A tensor may claim to be far larger than its file: nothing is done before it fits.
        if not fits(transform, shape, wanted):
            raise UserError(
                _other_model(spec, tensors, name)
                or f"{name}: tensor {key!r} has shape {shape}, which does not fit {spec.name} "
                f"({transform.name} must give {wanted}): is it a checkpoint of {spec.name}?"
            )
        array = transform.function(_as_float32(tensors[key], key, name, dtypes))
        flat[target.path] = np.ascontiguousarray(array)
    remarks = [f"{d} tensors were widened to float32" for d in sorted(dtypes - {"float32"})]
    return traverse_util.unflatten_dict(flat, sep="/"), remarks


def convert_checkpoint(
    spec: NetworkSpec, path: pathlib.Path
) -> tuple[Model | Classifier | Detector, dict[str, Any], list[str]]:
    """A checkpoint as a `Model` (or `Classifier`, `Detector`) with what is known of its origin.

    Args:
      spec: of the network.
      path: the file; or a folder of several that belong together, see `checkpoint_files`.

    Returns:
      `(model, source, remarks)`; `source` goes into the manifest.

    Raises:
      UserError: see `read_checkpoint_file` and `convert_tensors`; or a file is known to be another
        model's.
    """
    if spec.layout is None:
        raise UserError(
            f"{spec.name}: no checkpoint of it can be converted: its spec has no layout"
        )
    files = checkpoint_files(path, spec.name)
    digests = [catalog.digests_of(file) for file in files]
    known = [catalog.recognize(found) for found in digests]
    for file, one in zip(files, known, strict=True):
        if one is not None and one.model != spec.name:
            raise UserError(
                f"{file}: this is {one.file} of {one.project}, the weights of {one.model}: "
                f"pass --model={one.model}"
            )
    if len(files) == 1 and known[0] and known[0].beside:
        raise UserError(
            f"{files[0]}: is only a part of {spec.name}: pass the folder that holds it and "
            f"{some(known[0].beside)}: `ttd-jax weights fetch {spec.name}` gets all"
        )
    loaded = {file: read_checkpoint_file(file) for file in files}
    tensors = _tensors_of(spec, loaded, path)
    variables, remarks = convert_tensors(spec, tensors, name=str(path))
    if None in known and (others := _fitting_as_well(spec, tensors)):
        remarks.append(
            f"the file is not known: it is taken for {spec.name}, though its tensors would fit "
            f"{', '.join(others)} as well"
        )
    remarks += filter(None, map(catalog.misnamed, files, digests))
    source = _source(files, digests, known)
    return spec.bind(variables, settings=spec.fit(tensors)), source, remarks


def _source(files, digests, known):
    """What a manifest tells of the origin: of one file, or of each of several."""
    rows = [
        {"sha256": found.sha256, "known_as": one.origin if one else None}
        for found, one in zip(digests, known, strict=True)
    ]
    unknown = "unknown: not a file this version knows"
    licenses = dict.fromkeys(one.license if one else unknown for one in known)
    if len(files) > 1:
        named = zip(files, rows, strict=True)
        rows = [{"files": [{"file": file.name, **row} for file, row in named]}]
    return {**rows[0], "license": "; ".join(licenses)}


def _tensors_of(spec, loaded, path):
    """The tensors of all files of a checkpoint, each unwrapped by itself."""
    if len(loaded) == 1:
        (content,) = loaded.values()
        return _tensors_in(spec, content, path)
    # Such as a file for each of the parts that the layout expects in one.
    together = find_tensors(spec.layout, {file.stem: one for file, one in loaded.items()}, depth=0)
    if together and len(matching(spec.layout, together)) == len(spec.layout.table):
        return together
    tensors, origin = {}, {}
    for file, content in loaded.items():
        found = needed(spec.layout, _tensors_in(spec, content, file))
        for key, tensor in found.items():
            if key in tensors:
                raise UserError(
                    f"{path}: {origin[key].name} and {file.name} both hold {key!r}: leave one of "
                    "them in the folder, or pass a file"
                )
            tensors[key], origin[key] = tensor, file
    return tensors


def _tensors_in(spec, content, path):
    tensors = find_tensors(spec.layout, content)
    if tensors and matching(spec.layout, tensors):
        return tensors
    if other := _other_model(spec, content, path):
        raise UserError(other)
    if tensors:
        _check_keys(spec, tensors, path)
    reason = strange_content(content) or _lacking(spec.layout, content) or "pass its .pth file"
    raise UserError(f"{path}: not laid out as a checkpoint of {spec.name}: {reason}")


def _lacking(layout, loaded):
    """What a layout finds fault with, as it says it; None if it says nothing."""
    try:
        layout.flatten(loaded)
    except Exception as error:  # a plug-in's function may raise anything
        return one_line(error)
    return None


def _check_keys(spec, tensors, name):
    table = spec.layout.table
    missing = [key for key in table if key not in tensors]
    extra = [key for key in tensors if key not in table]
    if not missing and not extra:
        return
    parts = [
        f"{label} {len(keys)} ({some(keys, 3)})"
        for label, keys in (("missing keys:", missing), ("unexpected keys:", extra))
        if keys
    ]
    raise UserError(
        _other_model(spec, tensors, name)
        or f"{name}: does not fit {spec.name}: {'; '.join(parts)}: is it a checkpoint of "
        f"{spec.name}?"
    )


def _other_model(spec, loaded, name):
    """That a checkpoint is rather another network's, as a message; None if it is not."""
    models = likeness(loaded)
    if not models or spec.name in models:
        return None
    return (
        f"{name}: not a checkpoint of {spec.name}: it looks like one of {' / '.join(models)}: "
        f"pass --model={models[0]}"
    )


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
