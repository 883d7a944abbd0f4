"""Fuse pictures of one scene, or folders of them matched by file name.

    ttd-jax fuse --weights=weights/ifcnn_sum --out=out vis.png ir.png
    ttd-jax fuse --task=infrared-visible --out=out vis.png ir.png
    ttd-jax fuse --weights=weights/ifcnn_sum --out=maps \\
        --save=fused,dominability,components,losses visible_dir infrared_dir
    ttd-jax fuse --weights=weights/ifcnn_sum --out=out --align=affine vis.png small_ir.png
    ttd-jax fuse --weights=weights/ifcnn_sum --out=fused.mp4 visible.mp4 thermal.mkv
    ttd-jax fuse --weights=weights/ifcnn_sum --out=frames --sequence visible_dir infrared_dir

Name two or more sources in the order of their roles: visible then infrared, MRI then CT / PET /
SPECT, under- then over-exposed, near then far focus. The fused picture is --out/STEM.png, with
the stem, bit depth and alpha of the first source; summary.json lists the scenes and timings.json
the times; everything else goes into sub-folders of --out. A folder keeps its
scenes, those of other commands too: so a loop over pairs has one summary.

Videos, and with --sequence folders, are sequences: frames are paired by their time stamps, and
weights stay steady along the motion. --out is a video (.mp4, .mkv, .mov, .avi) or a folder.
"""

import dataclasses
import sys

from absl.flags import FlagValues

from ttd_jax.align import MODELS
from ttd_jax.commands import common, sequence
from ttd_jax.commands.choosing import choose_weights
from ttd_jax.core.tasks import TASKS
from ttd_jax.errors import UserError, counted, naming
from ttd_jax.files import dumps
from ttd_jax.fusing import options as opt
from ttd_jax.fusing.run import check_memory, plan_job, run_job
from ttd_jax.networks import ClassifierSpec, lookup
from ttd_jax.networks.cddfuse import RESIDUALS
from ttd_jax.parts import parse_size
from ttd_jax.pictures.images import FORMATS, SUFFIXES
from ttd_jax.pictures.scenes import find_scenes, folders_of_equal_names
from ttd_jax.places import place, resolved
from ttd_jax.report.progress import remark
from ttd_jax.weights import store


def define_flags(values: FlagValues) -> None:
    """The flags of this command."""
    flag = common.Flags(values)
    flag.fusion()
    text = (
        "in place of --model: take the network that was measured best for it of those whose "
        "weights are in the folder --weights (default: weights), and say which"
    )
    flag.choice("task", text, TASKS)
    flag.place("out", "folder for the results; of a sequence also a video, by its suffix")
    text = (
        "auto: color where a source has any; luma: fuse luma, put chroma back; rgb: fuse RGB; "
        "gray; network: gray in, the network's own channels out, as the published protocol does; "
        "authors: given, colored and saved in 8 bits as the script of the network's authors does"
    )
    flag.choice("color", text, opt.FUSE_COLORS, "auto")
    flag.choice("format", "of the fused pictures", FORMATS, "png")
    flag.range()
    flag.alignment()
    text = (
        "type: results fill the range of their type; source: they have the values of the first "
        "source whose --range is its own, such as degrees (with --format=tiff)"
    )
    flag.choice("output_range", text, opt.OUTPUT_RANGES, "type")
    text = (
        "which pictures of files with several (TIFF, animations): first, the number of one, each "
        "(every page is a scene), or sources (the pages of a file are the sources of its scene)"
    )
    flag.string("pages", text)
    text = (
        "keep: fused pictures carry the ICC profile, resolution, EXIF, text or GeoTIFF tags of the "
        "first source"
    )
    flag.choice("metadata", text, opt.METADATA, "keep")
    flag.several("save", f"what to write, of: {', '.join(opt.SAVES)}", ["fused"])
    text = "scenes at once; 0 chooses: on a GPU or TPU up to eight, as many as --max_memory holds"
    flag.integer("batch_size", text, 0, least=0)
    flag.sizes()
    text = (
        "what CDDFuse and PFCFuse add to their output: the first source, the sum of all, none; "
        "default: the model's own"
    )
    flag.choice("residual", text, RESIDUALS)
    flag.place(
        "classifier",
        "converted weights of piafusion_classifier: adds the probability that the first source was "
        "taken by day to summary.json",
    )
    flag.string(
        "max_memory",
        "memory that fusing may take, as in 2GiB or 500MB: of the process beside libraries and "
        "weights, or of the GPU or TPU; scenes that need more are fused in strips, with the same "
        "result up to rounding; default: half of what is free",
    )
    sequence.define_flags(flag)
    flag.boolean("resume", "keep the finished scenes of --out, and add to them")
    flag.boolean("dry_run", "check everything, write nothing")
    flag.json()


def run(values: FlagValues, arguments: list[str]) -> None:
    """Plans, fuses and says what was made."""
    if values.task:
        _choose(values, len(arguments))
    common.require(values, "weights", "out")
    if values.model:
        lookup(values.model)  # a misspelled name is told first
    save = common.several(values, "save", opt.SAVES)
    with naming("--max_memory"):
        max_memory = None if values.max_memory is None else parse_size(values.max_memory)
    out = place(values.out)
    if out.suffix.lower() in SUFFIXES and not out.is_dir():
        raise UserError(f"--out={out}: is a picture's name: pass the folder that it is to be in")
    frames = sequence.is_sequence(values, arguments)
    if frames:
        sequence.check_flags(values, save)
    reading = common.reading(values)
    if frames:
        common.prepare_to_compute()
        model, options, _ = _load(values, reading, save)
        sequence.run(values, arguments, out, model, options, max_memory)
        return
    scenes = find_scenes(arguments, pages=values.pages)
    if any(resolved(place(path)) == resolved(out) for path in arguments):
        raise UserError(
            f"--out={out}: is a folder of sources, which it would be no more with the results: "
            "choose another --out"
        )
    folders = folders_of_equal_names(arguments)
    if folders:
        remark(
            f"{len(arguments)} sources are fused into one picture; to fuse those of equal names, "
            f"pass their folders: {' '.join(folders)}"
        )
    common.prepare_to_compute()
    model, options, classifier = _load(values, reading, save)
    job = plan_job(scenes, model, options, out, resume=values.resume, max_memory=max_memory)
    if values.dry_run:
        if max_memory is not None:  # else it takes compiling, and half of all fits
            check_memory(job, model)
        _tell_plan(values, job)
        return
    with common.interruptible("finished scenes are"):
        result = run_job(job, model, classifier)
    if values.json:
        print(dumps({"out": str(out), **result}), end="")
        return
    made = out
    if len(result["scenes"]) == 1:
        made = out / next(iter(result["scenes"][0]["files"]))
    fused = counted(result["fused"], "scene")
    told = _registered(result["scenes"]) if reading.align.model in MODELS else ""
    common.show(f"{made}: {fused} fused, {result['reused']} reused{told}", sys.stderr)
    for scene in result["scenes"] if values.pages != "sources" else ():
        if len({source["sha256"] for source in scene["sources"]}) < len(scene["sources"]):
            remark(f"{scene['scene']}: sources are the same picture")


def _load(values, reading, save):
    """The network, what the user has chosen, and the classifier, if there is one."""
    model = common.load_fusion(values, **({"residual": values.residual} if values.residual else {}))
    settings = model.strategy(values.strategy)
    classifier = classifier_sha256 = None
    if values.classifier:
        classifier = store.load(values.classifier, kind=ClassifierSpec)
        classifier_sha256 = store.read_manifest(values.classifier)["sha256"]
    options = opt.FuseOptions(
        model=model.spec.name,
        weights_sha256=store.read_manifest(values.weights)["sha256"],
        strategy=values.strategy,
        dominability=settings and dataclasses.asdict(settings),
        color=values.color,
        format=values.format,
        reading=reading,
        output_range=values.output_range,
        pages=values.pages,
        metadata=values.metadata,
        save=tuple(sorted(save, key=opt.SAVES.index)),
        batch_size=values.batch_size,
        sizes=values.sizes,
        precision=values.precision,
        fold=values.fold,
        residual=values.residual,
        classifier_sha256=classifier_sha256,
    )
    return model, options, classifier


def _registered(scenes):
    """How many sources were registered, for the last line."""
    found = [scene["registration"] for scene in scenes]
    models = [
        source["model"]
        for one in found
        for m, source in enumerate(one["sources"])
        if m != one["to"]
    ]
    return f"; {sum(model != 'none' for model in models)} of {len(models)} sources registered"


def _choose(values, count):
    if values.model:
        raise UserError("--task chooses the network: leave it or --model out")
    folder = place(values.weights or "weights")
    if values.weights and not store.locate(folder).is_dir():
        raise UserError(
            f"--weights={folder}: no such folder: with --task it holds those of several"
        )
    asked = values["strategy"].present and values.strategy == "ttd"
    weighs = asked or values.dominability is not None
    values.weights, why = choose_weights(values.task, folder, count, weighs=weighs)
    remark(why)


def _tell_plan(values, job):
    names, roles = job.scenes.examples.names, job.scenes.examples.roles
    plan = [
        {
            "size": list(batch.size),
            "shared": batch.frame.shared,
            "scenes": [names[index] for index in batch.missing(job.finished).values()],
            "color": job.options.resolve_color(batch.colored),
        }
        for batch in job.batches()
    ]
    lines = [f"sources: {', '.join(roles)}; {counted(len(job.finished), 'scene')} finished already"]
    for batch in plan:
        height, width = batch["size"]
        scenes = ", ".join(batch["scenes"]) or "nothing to do"
        upto = "up to " if batch["shared"] else ""
        lines.append(f"{upto}{width}x{height}, color={batch['color']}: {scenes}")
    common.tell(values, {"out": str(job.out), "sources": roles, "batches": plan}, *lines)
