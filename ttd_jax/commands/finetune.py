"""Train a model on pairs of pictures, from its weights or from nothing, on every device.

    ttd-jax finetune --workdir=runs/msrs --config=configs/finetune.py:ifcnn_sum,msrs
    ttd-jax finetune --workdir=runs/mine --config=configs/finetune.py:ifcnn_sum,mine \\
        --config.sources="('visible','infrared')" --config.phases[0].steps=100

The trained weights are in WORKDIR/MODEL, ready for fuse, evaluate and export. On the way come
log.jsonl and events/ for TensorBoard (loss, gradient norm, metrics of held-back scenes), sheets/
with these scenes fused, and checkpoints/. SIGTERM saves and exits with 0, Ctrl-C saves and stops;
--resume goes on from the newest checkpoint, also after a kill, to the same bits as if the run had
never stopped. Needs `pip install 'ttd-jax[training]'`. On several hosts start the same command on
each, with --workdir on a disk that all of them share; see `ttd-jax evaluate --help`.
"""

import pathlib
import sys

from absl import flags

from ttd_jax.commands import common
from ttd_jax.errors import UserError
from ttd_jax.files import dumps


def define_flags(values):
    """The flags of this command."""
    common.define_config(values, "finetune.py", "how to train: FILE:MODEL,DATASET")
    flags.DEFINE_string("workdir", None, "folder of the run", flag_values=values)
    flags.DEFINE_bool("resume", False, "go on with the run in --workdir", flag_values=values)
    common.define_processes(values)
    common.define_json(values)


def run(values, arguments):
    """Trains; the first process tells the outcome."""
    common.reject_arguments(arguments)
    common.require(values, "workdir")
    process, processes = common.meet(values)
    common.use_compilation_cache()
    try:
        import grain  # noqa: F401
        import optax  # noqa: F401
        import tensorboardX  # noqa: F401
    except ImportError as error:
        raise UserError(f"training needs {error.name}: pip install 'ttd-jax[training]'") from error
    from ttd_jax.training import finetune, stopping  # after the processes have met

    workdir = pathlib.Path(values.workdir)
    try:
        outcome = finetune.finetune(
            values.config, workdir, resume=values.resume, process=process, processes=processes
        )
    except KeyboardInterrupt:
        raise UserError(
            "interrupted: the newest checkpoint is kept: run again with --resume"
        ) from None
    if outcome.reason == stopping.INTERRUPTED:
        raise UserError(f"interrupted after step {outcome.step}: saved: run again with --resume")
    if process == 0:
        _tell(outcome, workdir, values.json)


def _tell(outcome, workdir, as_json):
    validations = [r for r in _records(workdir) if r["kind"] == "validation"]
    if as_json:
        told = {
            "workdir": str(workdir),
            "step": outcome.step,
            "steps": outcome.steps,
            "weights": outcome.weights and str(outcome.weights),
            "validations": validations,
        }
        print(dumps(told), end="")
        return
    if outcome.weights is None:
        line = f"stopped after step {outcome.step} of {outcome.steps}: saved: --resume goes on"
        print(f"ttd-jax: {line}", file=sys.stderr)
        return
    print(f"{outcome.weights}: trained for {outcome.steps} steps")
    if validations:
        first, last = validations[0], validations[-1]
        print(f"held-back scenes, step {first['step']} -> step {last['step']}:")
        for name, before in _figures(first).items():
            print(f"  {name:<14}{before:>12.6g} ->{_figures(last)[name]:>12.6g}")


def _figures(record):
    from ttd_jax.training.logs import flatten

    return {n: value for n, value in flatten(record) if isinstance(value, float)}


def _records(workdir):
    from ttd_jax.files import read_json_lines
    from ttd_jax.training.logs import LINES

    path = workdir / LINES
    return read_json_lines(path) if path.is_file() else []
