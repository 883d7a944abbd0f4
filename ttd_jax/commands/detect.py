"""Find objects in fused pictures and in their sources, and measure how well.

    ttd-jax detect eval --out=detection --config=configs/detect.py:llvip/detection \\
        --config.root=benchmarks --config.detector=weights/yolox_nano
    ttd-jax detect eval --out=detection --config=configs/detect.py:msrs/detection \\
        --config.inputs="('visible','infrared')" --config.results="('mine=results/msrs',)"

`eval` shows a detector the sources of every scene, their static and TTD fusions straight from the
network, and any folders of results, and measures average precision as COCO defines it, and
precision and recall where F1 is largest. Only the data set's own classes count, by their names. A
scene whose label file is empty stays, and what is found there are false alarms; a scene without a
label file is no part of a detection set. Data sets are prepared ones, or with --config.root a
folder of benchmarks as their authors distribute them. Writes results.json, results.md and a folder
of pictures, found and missed objects drawn over every input, those scenes first where TTD changes
most; a stopped run goes on with --resume.
"""

import pathlib

from absl import flags

from ttd_jax.commands import common
from ttd_jax.errors import UserError
from ttd_jax.files import dumps


def define_flags(values):
    """The flags of this command."""
    common.define_config(values, "detect.py", "where to look for objects: FILE:DATASET")
    flags.DEFINE_string("out", None, "folder for the results", flag_values=values)
    flags.DEFINE_bool("resume", False, "keep the finished scenes of --out", flag_values=values)
    common.define_json(values)


def run(values, arguments):
    """Runs the action that the first argument names."""
    if arguments != ["eval"]:
        raise UserError("usage: `ttd-jax detect eval --config=FILE:DATASET --out=FOLDER`")
    common.require(values, "out")
    common.use_compilation_cache()
    from ttd_jax.detection import evaluation

    out = pathlib.Path(values.out)
    try:
        result = evaluation.evaluate(values.config, out, resume=values.resume)
    except KeyboardInterrupt:
        raise UserError("interrupted: finished scenes are kept: run again with --resume") from None
    print(dumps(result) if values.json else (out / "results.md").read_text(), end="")
