"""Fuse a few scenes, statically and with TTD, and show them on contact sheets.

    ttd-jax demo --out=demo

Uses a multi-focus and a multi-exposure pair made from openly licensed pictures that scikit-image
ships, and real pairs where TTD_JAX_SHARED names a folder that has them. The authors' weights of
IFCNN are needed: IFCNN-SUM.pth, by --checkpoint or in TTD_JAX_SHARED.
"""

import dataclasses
import os
import pathlib

import numpy as np
from absl import flags

from ttd_jax.backbones import REGISTRY
from ttd_jax.checkpoints import store
from ttd_jax.checkpoints.convert import convert_checkpoint
from ttd_jax.commands import common
from ttd_jax.data import synthetic
from ttd_jax.data.images import encode_picture, quantise, read_picture
from ttd_jax.data.scenes import Scene
from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.fusing.options import FuseOptions
from ttd_jax.fusing.run import plan_job, run_job
from ttd_jax.fusing.sheet import contact_sheet

# set -> roles of the sources, and their files below the shared folder's `data/`.
_REAL = {
    "infrared-visible": (
        ("visible", "infrared"),
        [("msrs/test/vi/00004N.png", "msrs/test/ir/00004N.png")],
    ),
    "medical": (
        ("MRI", "PET"),
        [("harvard/MRI_PET/MRI/15.png", "harvard/MRI_PET/PET/15.png")],
    ),
    "multi-focus-real": (
        ("A", "B", "C"),
        [tuple(f"lytro/Triple Series/lytro-01-{letter}.jpg" for letter in "ABC")],
    ),
}


def define_flags(values):
    """The flags of this command."""
    flags.DEFINE_string("out", "demo", "folder for the results", flag_values=values)
    flags.DEFINE_string("checkpoint", None, "the authors' IFCNN-SUM.pth", flag_values=values)


def run(values, arguments):
    """Makes pairs, converts the weights, fuses, and draws the sheets."""
    common.reject_arguments(arguments)
    out = pathlib.Path(values.out)
    shared = pathlib.Path(os.environ.get("TTD_JAX_SHARED", "../shared"))
    row = REGISTRY["ifcnn_sum"]
    checkpoint = pathlib.Path(values.checkpoint or shared / "weights" / "ifcnn" / row.checkpoint)
    if not checkpoint.is_file():
        raise UserError(
            f"{checkpoint}: the demo needs the authors' {row.checkpoint}: pass it with "
            "--checkpoint=, or set TTD_JAX_SHARED to a folder with weights/ifcnn/"
        )
    sets = _generated(out / "sources") | _real(shared)
    common.use_compilation_cache()
    model, source, _ = convert_checkpoint(row, checkpoint)
    manifest = store.save_model(
        out / "weights" / row.name, row.name, model, source=source, overwrite=True
    )
    for name, (roles, scenes) in sets.items():
        results = {
            strategy: _fuse(out / name / strategy, scenes, roles, row, model, manifest, strategy)
            for strategy in ("static", "ttd")
        }
        rows = [_sheet_row(scene, roles, results) for scene in scenes]
        sheet = encode_picture(contact_sheet(rows), ".png")
        with explain_os_errors(out):
            (out / f"{name}.png").write_bytes(sheet)
        print(f"{out / name}.png: {', '.join(roles)}, fused statically and with TTD")


def _fuse(out, scenes, roles, row, model, manifest, strategy):
    options = FuseOptions(
        model=row.name,
        weights_sha256=manifest["sha256"],
        strategy=strategy,
        dominability=dataclasses.asdict(model.settings) if strategy == "ttd" else None,
        save=("fused", "dominability"),
    )
    run_job(plan_job(scenes, roles, row, options, out), model, row)
    return out


def _sheet_row(scene, roles, results):
    file = f"{scene.name}.png"
    pictures = [*zip(roles, scene.sources, strict=True)]
    pictures.append(("static fusion", results["static"] / file))
    pictures.append(("TTD fusion", results["ttd"] / file))
    overlay = results["ttd"] / "dominability" / f"{scene.name}_overlay.png"
    pictures.append(("relative dominability", overlay))
    return [(caption, read_picture(path).pixels) for caption, path in pictures]


def _generated(folder):
    try:
        from skimage import data
    except ImportError as error:
        raise UserError("the demo needs pictures: pip install scikit-image") from error
    astronaut, coffee = (image / np.float32(255) for image in (data.astronaut(), data.coffee()))
    pairs = {
        "multi-focus": (
            ("near focus", "far focus"),
            "astronaut",
            synthetic.multi_focus_pair(astronaut, seed=3),
        ),
        "multi-exposure": (
            ("under-exposed", "over-exposed"),
            "coffee",
            synthetic.multi_exposure_pair(coffee),
        ),
    }
    sets = {}
    for name, (roles, stem, pair) in pairs.items():
        paths = [folder / role.replace(" ", "-") / f"{stem}.png" for role in roles]
        for path, picture in zip(paths, pair, strict=True):
            with explain_os_errors(folder):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encode_picture(quantise(picture, np.uint8), ".png"))
        sets[name] = roles, [Scene(stem, tuple(paths))]
    return sets


def _real(shared):
    sets = {}
    for name, (roles, scenes) in _REAL.items():
        paths = [tuple(shared / "data" / file for file in files) for files in scenes]
        found = [p for p in paths if all(file.is_file() for file in p)]
        if found:
            sets[name] = roles, [Scene(files[0].stem, files) for files in found]
    return sets
