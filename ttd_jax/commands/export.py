"""Write a network with its strategy as one program that runs without this package.

    ttd-jax export --weights=weights/ifcnn_sum --out=x.stablehlo
    python -m ttd_jax.export.runner x.stablehlo sources.npy fused.npz

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

from absl import flags

from ttd_jax.commands import common
from ttd_jax.errors import UserError
from ttd_jax.export import program as exporting
from ttd_jax.files import dumps
from ttd_jax.networks import FusionSpec
from ttd_jax.registry import unknown
from ttd_jax.weights import store


def define_flags(values):
    """The flags of this command."""
    common.define_model(values, meaning="refuse weights of another network than this")
    flags.DEFINE_string("weights", None, "what `ttd-jax convert` made", flag_values=values)
    flags.DEFINE_string(
        "out", None, f"the program, NAME{exporting.SUFFIX}; NAME.json beside it", flag_values=values
    )
    flags.DEFINE_enum(
        "strategy",
        "ttd",
        common.STRATEGIES,
        "test-time dynamic or static weights",
        flag_values=values,
    )
    common.define_dominability(values)
    flags.DEFINE_list(
        "platforms",
        list(exporting.PLATFORMS),
        f"where it is to run, of: {', '.join(exporting.PLATFORMS)}",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "params",
        "inside",
        exporting.PARAMETERS,
        "parameters inside the program, or beside it in NAME.npz",
        flag_values=values,
    )
    common.define_precision(values)
    common.define_fold(values)
    flags.DEFINE_bool("overwrite", False, "replace the files at --out", flag_values=values)
    common.define_json(values)


def run(values, arguments):
    """Exports and says what was made."""
    common.reject_arguments(arguments)
    common.require(values, "weights", "out")
    platforms = _platforms(values.platforms)
    beside = values.params == "beside"
    out = _vacant(pathlib.Path(values.out), beside, values.overwrite)
    model = store.load(
        values.weights,
        name=values.model,
        kind=FusionSpec,
        dominability=values.dominability,
        fold=values.fold,
        precision=values.precision,
    )
    manifest = store.read_manifest(values.weights)
    source = manifest.get("source")
    program = exporting.export_fusion(
        model, model.strategy(values.strategy), platforms=platforms, parameters=values.params
    )
    record = {
        **exporting.describe(model.spec, program),
        "model": model.spec.name,
        "strategy": values.strategy,
        "settings": dataclasses.asdict(model.settings) if values.strategy == "ttd" else None,
        "precision": values.precision,
        "folded": values.fold,
        "weights": {
            "sha256": manifest["sha256"],
            "license": source.get("license") if isinstance(source, dict) else None,
        },
    }
    flat = exporting.flat_parameters(model) if beside else None
    record = exporting.write_program(out, program, record, flat)
    if values.json:
        print(dumps({**record, "out": values.out}), end="")
        return
    print(f"{out}: {model.spec.name}, {values.strategy}, for {', '.join(platforms)}")
    for name, array in {**record["inputs"], **record["outputs"]}.items():
        print(f"{name}: {array['dtype']}[{', '.join(map(str, array['shape']))}]")
    print(f"limits: {', '.join(record['inputs']['sources']['constraints'])}")
    print(f"license of the weights: {record['weights']['license']}")


def _platforms(names):
    for name in names:
        if name not in exporting.PLATFORMS:
            raise unknown(name, exporting.PLATFORMS, kind="platform")
    if not names:
        raise UserError(f"--platforms is empty: choose from {', '.join(exporting.PLATFORMS)}")
    return tuple(dict.fromkeys(names))


def _vacant(out, beside, overwrite):
    if out.suffix != exporting.SUFFIX:
        raise UserError(f"--out={out}: must be a file named like NAME{exporting.SUFFIX}")
    if not out.parent.is_dir():
        raise UserError(f"--out={out}: there is no folder {out.parent}: make it first")
    for place in (out, out.with_suffix(".json"), *([out.with_suffix(".npz")] if beside else [])):
        if place.is_dir():
            raise UserError(f"{place}: is a folder: choose another --out")
        if place.exists() and not overwrite:
            raise UserError(f"{place}: already exists: choose another --out, or pass --overwrite")
    return out
