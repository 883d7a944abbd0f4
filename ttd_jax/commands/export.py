"""Write a network with its strategy as one program that runs without this package.

    ttd-jax export --weights=weights/ifcnn_sum --out=x.stablehlo
    python -P -m ttd_jax.export.runner x.stablehlo sources.npy fused.npz

The program is StableHLO as `jax.export` serializes it, lowered once for every batch and size, for
every platform of --platforms: f32[B, M, H, W, C] in [0, 1] to the fused image and RD. x.json tells
its inputs, outputs, limits and origin; ttd_jax/export/runner.py shows how to call it with jax
alone. JAX reads what releases of the last six months wrote: export again for later ones. Color is
the caller's: networks with one channel take luma.

ONNX is not written. Converters such as jax2onnx translate a function operation by operation, and
their support of sizes that are symbols is still growing: none of these networks is proven through
one at unseen sizes, as they are through StableHLO, and a program for one fixed size would be less.
"""

import dataclasses
import pathlib

from absl.flags import FlagValues

from ttd_jax.commands import common
from ttd_jax.errors import UserError
from ttd_jax.export import program as exporting
from ttd_jax.folders import alone
from ttd_jax.weights import store


def define_flags(values: FlagValues) -> None:
    """The flags of this command."""
    flag = common.Flags(values)
    flag.fusion()
    flag.path("out", f"the program, NAME{exporting.SUFFIX}; NAME.json beside it")
    platforms = exporting.PLATFORMS
    flag.several("platforms", f"where it is to run, of: {', '.join(platforms)}", platforms)
    text = "parameters inside the program, or beside it in NAME.npz"
    flag.choice("params", text, exporting.PARAMETERS, "inside")
    text = (
        "HxW, as in 512x640: a program of static shapes for arrays of that size, in whose top left "
        "corner pictures of any size lie; default: sizes are symbols"
    )
    flag.string("bucket", text)
    flag.boolean("overwrite", "replace the files at --out")
    flag.json()


def run(values: FlagValues, arguments: list[str]) -> None:
    """Exports and says what was made."""
    common.only_flags(values, arguments, "weights", "out")
    platforms = common.several(values, "platforms", exporting.PLATFORMS)
    beside = values.params == "beside"
    bucket = values.bucket and common.size("bucket", values.bucket)
    out = _vacant(pathlib.Path(values.out), beside, values.overwrite)
    model = common.load_fusion(values)
    manifest = store.read_manifest(values.weights)
    settings = model.strategy(values.strategy)
    program = exporting.export_fusion(
        model, settings, platforms=platforms, parameters=values.params, bucket=bucket
    )
    record = {
        **exporting.describe(model.spec, program),
        "model": model.spec.name,
        "strategy": values.strategy,
        "settings": settings and dataclasses.asdict(settings),
        "precision": values.precision,
        "folded": values.fold,
        "weights": {
            "sha256": manifest["sha256"],
            "license": manifest["source"].get("license"),
        },
    }
    flat = exporting.flat_parameters(model) if beside else None
    with alone(out.parent, wait=True):
        _vacant(out, beside, values.overwrite)  # another export may have been here meanwhile
        record = exporting.write_program(out, program, record, flat)
    arrays = {**record["inputs"], **record["outputs"]}
    common.tell(
        values,
        {**record, "out": values.out},
        f"{out}: {model.spec.name}, {values.strategy}, for {', '.join(platforms)}",
        *(f"{n}: {a['dtype']}[{', '.join(map(str, a['shape']))}]" for n, a in arrays.items()),
        f"limits: {', '.join(record['inputs']['sources']['constraints'])}",
        f"license of the weights: {record['weights']['license']}",
    )


def _vacant(out, beside, overwrite):
    if out.suffix != exporting.SUFFIX:
        raise UserError(f"--out={out}: must be a file named like NAME{exporting.SUFFIX}")
    if not out.parent.is_dir():
        raise UserError(f"--out={out}: there is no folder {out.parent}: make it first")
    suffixes = (out.suffix, ".json", *([".npz"] if beside else []))
    common.vacant([out.with_suffix(suffix) for suffix in suffixes], overwrite)
    return out
