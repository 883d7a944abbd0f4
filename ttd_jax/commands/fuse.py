"""Fuse pictures of one scene, or folders of them matched by file name.

    ttd-jax fuse --weights=weights/ifcnn_sum --out=out vis.png ir.png
    ttd-jax fuse --weights=weights/ifcnn_sum --out=out \\
        --save=fused,dominability,components,losses visible_dir infrared_dir

Name two or more sources in the order of their roles: visible then infrared, MRI then CT / PET /
SPECT, under- then over-exposed, near then far focus. The fused picture is --out/STEM.png, with
the stem, bit depth and alpha of the first source; summary.json lists the scenes and timings.json
the times; everything else goes into sub-folders of --out.
"""

import dataclasses
import pathlib
import sys

from absl import flags

from ttd_jax.commands import common
from ttd_jax.core.color import COLORS
from ttd_jax.errors import UserError
from ttd_jax.files import dumps
from ttd_jax.fusing import options as opt
from ttd_jax.fusing.run import plan_job, run_job
from ttd_jax.networks import ClassifierSpec, FusionSpec
from ttd_jax.networks.cddfuse import RESIDUALS
from ttd_jax.parts import parse_size
from ttd_jax.pictures.images import FORMATS
from ttd_jax.pictures.scenes import find_scenes
from ttd_jax.weights import store


def define_flags(values):
    """The flags of this command."""
    common.define_model(values, meaning="refuse weights of another network than this")
    flags.DEFINE_string("weights", None, "what `ttd-jax convert` made", flag_values=values)
    flags.DEFINE_string("out", None, "folder for the results", flag_values=values)
    flags.DEFINE_enum(
        "strategy",
        "ttd",
        common.STRATEGIES,
        "test-time dynamic or static weights",
        flag_values=values,
    )
    common.define_dominability(values)
    flags.DEFINE_enum(
        "color",
        "auto",
        COLORS,
        "auto: color where a source has any; luma: fuse luma, put chroma back; rgb: fuse RGB; "
        "gray; network: gray in, the network's own channels out, as the published protocol does",
        flag_values=values,
    )
    flags.DEFINE_enum("format", "png", FORMATS, "of the fused pictures", flag_values=values)
    flags.DEFINE_list(
        "save", ["fused"], f"what to write, of: {', '.join(opt.SAVES)}", flag_values=values
    )
    flags.DEFINE_integer(
        "batch_size", 0, "scenes in a batch; 0 chooses", lower_bound=0, flag_values=values
    )
    flags.DEFINE_integer(
        "window",
        0,
        "fuse in windows of so many rows and columns, with the same result up to rounding: larger "
        "pictures of all sizes then share their programs, so that a folder of mixed sizes compiles "
        "once; 0: whole pictures",
        lower_bound=0,
        flag_values=values,
    )
    common.define_precision(values)
    common.define_fold(values)
    flags.DEFINE_enum(
        "residual",
        None,
        RESIDUALS,
        "what CDDFuse adds to its output: the first source, the sum of all, none; default: the "
        "model's own",
        flag_values=values,
    )
    flags.DEFINE_string(
        "classifier",
        None,
        "converted weights of piafusion_classifier: adds the probability that the first source was "
        "taken by day to summary.json",
        flag_values=values,
    )
    flags.DEFINE_string(
        "max_memory",
        None,
        "memory that fusing may take, as in 2GiB or 500MB: of the process beside libraries and "
        "weights, or of the GPU or TPU; scenes that need more are fused in strips, with the same "
        "result up to rounding; default: half of what is free",
        flag_values=values,
    )
    flags.DEFINE_bool("resume", False, "keep the finished scenes of --out", flag_values=values)
    flags.DEFINE_bool("dry_run", False, "check everything, write nothing", flag_values=values)
    common.define_json(values)


def run(values, arguments):
    """Plans, fuses and says what was made."""
    common.require(values, "weights", "out")
    unknown = [name for name in values.save if name not in opt.SAVES]
    if unknown or not values.save:
        raise UserError(f"--save={','.join(unknown)}: choose from {', '.join(opt.SAVES)}")
    max_memory = _max_memory(values)
    scenes = find_scenes(arguments)
    common.use_compilation_cache()
    model = store.load(
        values.weights,
        name=values.model,
        kind=FusionSpec,
        dominability=values.dominability,
        fold=values.fold,
        precision=values.precision,
        **({} if values.residual is None else {"residual": values.residual}),
    )
    classifier = store.load(values.classifier, kind=ClassifierSpec) if values.classifier else None
    options = {
        "model": model.spec.name,
        "weights_sha256": store.read_manifest(values.weights)["sha256"],
        "dominability": dataclasses.asdict(model.settings) if values.strategy == "ttd" else None,
        "save": tuple(name for name in opt.SAVES if name in values.save),
    }
    if values.classifier:
        options["classifier_sha256"] = store.read_manifest(values.classifier)["sha256"]
    names = {field.name for field in dataclasses.fields(opt.FuseOptions)} - options.keys()
    options |= {name: getattr(values, name) for name in names if name in values}  # flags as given
    out = pathlib.Path(values.out)
    job = plan_job(
        scenes,
        model,
        opt.FuseOptions(**options),
        out,
        resume=values.resume,
        max_memory=max_memory,
    )
    if values.dry_run:
        _print_plan(job, values.json)
        return
    with common.interruptible("finished scenes are"):
        result = run_job(job, model, classifier)
    if values.json:
        print(dumps({"out": str(out), **result}), end="")
        return
    print(f"{out}: {result['fused']} scenes fused, {result['reused']} reused", file=sys.stderr)


def _max_memory(values):
    if values.max_memory is None:
        return None
    try:
        return parse_size(values.max_memory)
    except ValueError as error:
        raise UserError(f"--max_memory: {error}") from error


def _print_plan(job, as_json):
    names, roles = job.scenes.examples.names, job.scenes.examples.roles
    plan = [
        {
            "size": list(batch.size),
            "scenes": [names[index] for index in batch.missing(job.finished).values()],
            "color": job.options.resolve_color(batch.colored),
        }
        for batch in job.batches
    ]
    if as_json:
        print(dumps({"out": str(job.out), "sources": roles, "batches": plan}), end="")
        return
    print(f"sources: {', '.join(roles)}; {len(job.finished)} scenes are finished already")
    for batch in plan:
        height, width = batch["size"]
        names = ", ".join(batch["scenes"]) or "nothing to do"
        print(f"{width}x{height}, color={batch['color']}: {names}")
