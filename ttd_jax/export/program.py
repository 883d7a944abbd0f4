"""A fusion network with its strategy as one serialized program for any size of picture."""

import contextlib
import hashlib
import io
import pathlib
from collections.abc import Sequence

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jax import export

import ttd_jax.version
from ttd_jax.core import fusion
from ttd_jax.core.dominability import DominabilitySettings
from ttd_jax.core.tasks import TASKS
from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.files import dumps, read_json, write_whole
from ttd_jax.networks import FusionSpec, Model, takes_extents

PLATFORMS = ("cpu", "cuda", "tpu")
PARAMETERS = ("inside", "beside")
SUFFIX = ".stablehlo"
FORMAT = 1


def fuse_batch(
    model: Model,
    sources: chex.Array,
    settings: DominabilitySettings | None,
    extents: chex.Array | None = None,
) -> dict[str, chex.Array]:
    """What an exported program computes.

    Args:
      model: the network.
      sources: f32[B, M, H, W, C] in [0, 1].
      settings: how losses become weights; None for the static fusion.
      extents: i32[B, 2], see `ttd_jax.dynamic_fuse`.

    Returns:
      `{'image': f32[B, H, W, C] in [0, 1], 'dominability': f32[B, M, H, W]}`.
    """

    def one(scene, extent):
        return fusion.fuse(model, scene, settings, extent=extent)

    result = jax.vmap(one)(sources, extents)
    return {"image": result.image, "dominability": result.dominability}


def flat_parameters(model: Model) -> dict[str, np.ndarray]:
    """The model's variables as one level: '/'-joined path -> array."""
    flat = traverse_util.flatten_dict(model.variables, sep="/")
    return {path: np.asarray(leaf) for path, leaf in sorted(flat.items())}


def export_fusion(
    model: Model,
    settings: DominabilitySettings | None,
    *,
    platforms: Sequence[str] = PLATFORMS,
    parameters: str = "inside",
    bucket: tuple[int, int] | None = None,
) -> export.Exported:
    """Lowers `fuse_batch` once for every size; nothing is compiled.

    Batch, height and width are symbols, and so is the number of sources where the network takes
    any. The program checks them when it is called.

    Args:
      model: the network, with its spec.
      settings: how losses become weights; None for the static fusion.
      platforms: some of `PLATFORMS`.
      parameters: 'inside': constants of the program, called as `program(sources)`; 'beside': its
        first argument, `program(flat_parameters(model), sources)`.
      bucket: height and width of arrays in whose top left corner pictures of any size lie, for
        runtimes that want static shapes: the program takes one scene of two sources, if the network
        takes any number, and last its extent, i32[1, 2]. None for symbols.

    Returns:
      The program; `serialize()` gives its bytes.

    Raises:
      UserError: a bucket for a network or a loss map that takes no extent.

    Example:
      >>> program = export_fusion(model, model.settings, platforms=("cpu",))
      >>> jax.jit(program.call)(scenes)["image"].shape
      (2, 16, 16, 3)
    """
    spec = model.spec
    if bucket is None:
        shape = export.symbolic_shape(
            f"batch, {spec.source_count or 'sources'}, {', '.join(_sides(spec))}, {spec.channels}",
            constraints=_constraints(spec),
        )
        arguments = [jax.ShapeDtypeStruct(shape, jnp.float32)]
    elif takes_extents(model, [settings]):
        shape = (1, spec.source_count or 2, *bucket, spec.channels)
        arguments = [
            jax.ShapeDtypeStruct(shape, jnp.float32),
            jax.ShapeDtypeStruct((1, 2), jnp.int32),
        ]
    else:
        raise UserError(f"{spec.name} or its loss map takes no extent: export it without a bucket")
    if parameters == "inside":

        def inside(sources, extents=None):
            return fuse_batch(model, sources, settings, extents)

        return _lower(jax.jit(inside), platforms, *arguments)

    def beside(flat, sources, extents=None):
        variables = traverse_util.unflatten_dict(flat, sep="/")
        return fuse_batch(model.replace(variables=variables), sources, settings, extents)

    flat = {
        path: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
        for path, leaf in flat_parameters(model).items()
    }
    return _lower(jax.jit(beside), platforms, flat, *arguments)


def describe(spec: FusionSpec, program: export.Exported) -> dict:
    """What a program takes and gives, JSON-able: names, shapes, dtypes, ranges and limits."""
    arguments, _ = jax.tree.unflatten(program.in_tree, program.in_avals)
    sources, *extents = (a for a in arguments if not isinstance(a, dict))
    outputs = jax.tree.unflatten(program.out_tree, program.out_avals)
    ranges = {"image": "[0, 1]", "dominability": "RD, see the settings; 1 / M if static"}
    return {
        "inputs": {
            "sources": {
                **_shape(sources),
                "range": "[0, 1]",
                "least": [1, spec.source_count or 1, spec.min_size, spec.min_size, spec.channels],
                "constraints": _constraints(spec),
                "channels": "RGB" if spec.channels == 3 else "luma or gray",
                "roles": {task: TASKS[task] for task in spec.tasks},
            },
            **({"extents": {**_shape(*extents), "range": "height, width"}} if extents else {}),
        },
        "outputs": {name: {**_shape(outputs[name]), "range": ranges[name]} for name in ranges},
        "platforms": list(program.platforms),
        "calling_convention": program.calling_convention_version,
        "versions": {"ttd-jax": ttd_jax.version.__version__, "jax": jax.__version__},
    }


def write_program(
    path: pathlib.Path, program: export.Exported, record: dict, flat: dict | None = None
) -> dict:
    """Writes a program, its parameters if they are beside it, and last the JSON that proves both.

    Parameters that an earlier export has left beside it, by its JSON, are removed.

    Args:
      path: of the program; the others have its stem with '.npz' and '.json'.
      program: see `export_fusion`.
      record: what goes into the JSON, see `describe`.
      flat: the parameters to write beside it; None where they are inside.

    Returns:
      What was written to the JSON.

    Raises:
      UserError: it cannot be written.
    """
    card, beside, stale = path.with_suffix(".json"), path.with_suffix(".npz"), False
    with contextlib.suppress(UserError):  # an export with parameters inside, or what is damaged
        before = read_json(card, {"parameters": {"file": str}})
        stale = flat is None and before and before["parameters"]["file"] == beside.name
    files = {"program": (path, bytes(program.serialize()))}
    if flat is not None:
        files["parameters"] = (beside, _npz(flat))
    record = {"format": FORMAT, **record, "parameters": None}
    with explain_os_errors(path):
        for name, (place, data) in files.items():
            write_whole(place, data)
            digest = hashlib.sha256(data).hexdigest()
            record[name] = {"file": place.name, "bytes": len(data), "sha256": digest}
        write_whole(card, dumps(record))
        if stale:
            beside.unlink(missing_ok=True)
    return record


def _lower(function, platforms, *arguments):
    """Exports without the names of source files: equal programs are equal in every byte."""
    limit = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, limit)
    jax.config.update(limit, 0)
    try:
        return export.export(function, platforms=tuple(platforms))(*arguments)
    finally:
        jax.config.update(limit, before)


def _constraints(spec):
    return [f"{side} >= {spec.min_size}" for side in _sides(spec)]


def _sides(spec):
    multiple = "" if spec.stride == 1 else f"{spec.stride}*"
    return [f"{multiple}{side}" for side in ("height", "width")]


def _shape(aval):
    sides = [side if isinstance(side, int) else str(side) for side in aval.shape]
    return {"shape": sides, "dtype": str(aval.dtype)}


def _npz(arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()
