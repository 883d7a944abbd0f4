"""Find objects in fused pictures and in their sources, measure how well, and train to find them.

    ttd-jax detect eval --out=detection --config=configs/detect.py:llvip/detection \\
        --config.root=benchmarks --config.detector=weights/yolox_nano
    ttd-jax detect eval --out=msrs --config=configs/detect.py:msrs/detection \\
        --config.inputs="('visible','infrared')" --config.results="('mine=results/msrs',)"
    ttd-jax detect train --workdir=runs/llvip --config=configs/detect.py:llvip/detection \\
        --config.root=benchmarks --config.detector=weights/yolox_s

`eval` shows a detector the sources of every scene, their static and TTD fusions straight from the
network, and any folders of results, and measures average precision as COCO defines it, and
precision and recall where F1 is largest. Only the data set's own classes count, by their names. A
scene whose label file is empty stays, and what is found there are false alarms; a scene without a
label file is no part of a detection set. Data sets are prepared ones, or with --config.root a
folder of benchmarks as their authors distribute them. Writes results.json, results.md and a folder
of pictures, found and missed objects drawn over every input, those scenes first where TTD changes
most; a stopped run goes on with --resume.

`train` goes on from a detector's weights, with the data set's classes: those that it knows by name
stay, others begin anew. It learns from one input (--config.train.input), by default the visible
source; with fusions and --config.train.phases[0].joint=True its loss also trains the fusion network
through the RD weights. The trained weights are in WORKDIR/DETECTOR (and WORKDIR/MODEL), ready for
`eval`; logs, checkpoints, stops and --resume are those of `ttd-jax finetune`, on several hosts too.
Every label file is read before the first step, and of every bad one either command stops with a
line that names it: truncated, of a picture of another size, a box outside of its picture, an
unknown class. Pictures without objects are trained on as background.
"""

from absl.flags import FlagValues

from ttd_jax.commands import common, training
from ttd_jax.commands.profiling import profiling
from ttd_jax.places import place


def define_flags(values: FlagValues) -> None:
    """The flags of this command."""
    flag = common.Flags(values)
    flag.config("detect.py", "where to look for objects: FILE:DATASET")
    flag.place("out", "eval: folder for the results")
    flag.place("workdir", "train: folder of the run")
    flag.boolean("resume", "keep what --out or --workdir holds, and go on")
    flag.processes()
    flag.profile()
    flag.json()


def run(values: FlagValues, arguments: list[str]) -> None:
    """Runs the action that the first argument names."""
    common.dispatch("detect", _ACTIONS, values, arguments)


def _eval(values):
    common.require(values, "out")
    common.prepare_to_compute()
    from ttd_jax.detection import evaluation

    out = place(values.out)
    with common.interruptible("finished scenes are"), profiling(values):
        result = evaluation.evaluate(values.config, out, resume=values.resume)
    common.tell(values, result, (out / "results.md").read_text(encoding="utf-8"))


def _train(values):
    def start(*args, **options):
        from ttd_jax.detection.training import train_detector

        return train_detector(*args, **options)

    training.run(values, start)


_ACTIONS = {
    "eval --config=FILE:DATASET --out=FOLDER": _eval,
    "train --config=FILE:DATASET --workdir=FOLDER": _train,
}
