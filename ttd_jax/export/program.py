"""A fusion network with its strategy as one serialised program for any size of picture."""

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
from ttd_jax.backbones import TASKS, BackboneRow, Model
from ttd_jax.core import fusion
from ttd_jax.errors import explain_os_errors
from ttd_jax.files import dumps, write_whole

PLATFORMS = ("cpu", "cuda", "tpu")
PARAMETERS = ("inside", "beside")
SUFFIX = ".stablehlo"
FORMAT = 1


def fuse_batch(model: Model, sources: chex.Array, *, strategy: str) -> dict[str, chex.Array]:
    """What an exported program computes.

    Args:
      model: the network.
      sources: f32[B, M, H, W, C] in [0, 1].
      strategy: 'ttd' or 'static'.

    Returns:
      `{'image': f32[B, H, W, C] in [0, 1], 'dominability': f32[B, M, H, W]}`.
    """
    result = jax.vmap(fusion.FUSE[strategy], in_axes=(None, 0))(model, sources)
    return {"image": result.image, "dominability": result.dominability}


def flat_parameters(model: Model) -> dict[str, np.ndarray]:
    """The model's variables as one level: '/'-joined path -> array."""
    flat = traverse_util.flatten_dict(model.variables, sep="/")
    return {path: np.asarray(leaf) for path, leaf in sorted(flat.items())}


def export_fusion(
    row: BackboneRow,
    model: Model,
    *,
    strategy: str = "ttd",
    platforms: Sequence[str] = PLATFORMS,
    parameters: str = "inside",
) -> export.Exported:
    """Lowers `fuse_batch` once for every size; nothing is compiled.

    Batch, height and width are symbols, and so is the number of sources where the network takes
    any. The program checks them when it is called.

    Args:
      row: of the network.
      model: the network.
      strategy: 'ttd' or 'static'.
      platforms: some of `PLATFORMS`.
      parameters: 'inside': constants of the program, called as `program(sources)`; 'beside': its
        first argument, `program(flat_parameters(model), sources)`.

    Returns:
      The program; `serialize()` gives its bytes.

    Example:
      >>> program = export_fusion(row, model)  # doctest: +SKIP
      >>> image = jax.jit(program.call)(scenes)["image"]  # doctest: +SKIP
    """
    shape = export.symbolic_shape(
        f"batch, {row.source_count or 'sources'}, height, width, {row.channels}",
        constraints=_constraints(row),
    )
    sources = jax.ShapeDtypeStruct(shape, jnp.float32)
    if parameters == "inside":
        inside = jax.jit(lambda sources: fuse_batch(model, sources, strategy=strategy))
        return _lower(inside, platforms, sources)

    def beside(flat, sources):
        variables = traverse_util.unflatten_dict(flat, sep="/")
        return fuse_batch(model.replace(variables=variables), sources, strategy=strategy)

    flat = {
        path: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
        for path, leaf in flat_parameters(model).items()
    }
    return _lower(jax.jit(beside), platforms, flat, sources)


def describe(row: BackboneRow, program: export.Exported) -> dict:
    """What a program takes and gives, JSON-able: names, shapes, dtypes, ranges and limits."""
    arguments, _ = jax.tree.unflatten(program.in_tree, program.in_avals)
    outputs = jax.tree.unflatten(program.out_tree, program.out_avals)
    ranges = {"image": "[0, 1]", "dominability": "RD, see the settings; 1 / M if static"}
    return {
        "inputs": {
            "sources": {
                **_shape(arguments[-1]),
                "range": "[0, 1]",
                "least": [1, row.source_count or 1, row.min_size, row.min_size, row.channels],
                "constraints": _constraints(row),
                "channels": "RGB" if row.channels == 3 else "luma or grey",
                "roles": {task: TASKS[task] for task in row.tasks},
            }
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
    files = {"program": (path, bytes(program.serialize()))}
    if flat is not None:
        files["parameters"] = (path.with_suffix(".npz"), _npz(flat))
    record = {"format": FORMAT, **record, "parameters": None}
    with explain_os_errors(path):
        for name, (place, data) in files.items():
            write_whole(place, data)
            digest = hashlib.sha256(data).hexdigest()
            record[name] = {"file": place.name, "bytes": len(data), "sha256": digest}
        write_whole(path.with_suffix(".json"), dumps(record))
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


def _constraints(row):
    return [f"{side} >= {row.min_size}" for side in ("height", "width")]


def _shape(aval):
    sides = [side if isinstance(side, int) else str(side) for side in aval.shape]
    return {"shape": sides, "dtype": str(aval.dtype)}


def _npz(arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()
