"""Train a model on pairs of pictures, from its weights or from nothing, on every device.

    ttd-jax finetune --workdir=runs/msrs --config=configs/finetune.py:ifcnn_sum,msrs
    ttd-jax finetune --workdir=runs/mine --config=configs/finetune.py:ifcnn_sum,mine \\
        --config.sources="('visible','infrared')" --config.phases[0].steps=100

The trained weights are in WORKDIR/MODEL, ready for fuse, evaluate and export. On the way come
log.jsonl and events/ for TensorBoard (loss, gradient norm, metrics of held-back scenes), sheets/
with these scenes fused, and checkpoints/. SIGTERM saves and exits with 0, Ctrl-C saves and stops;
--resume goes on from the newest checkpoint, also after a kill, to the same bits as if the run had
never stopped. Needs `pip install 'ttd-jax[training]'`. On several hosts start the same command on
each, with --workdir on a disk that all of them share, or in a bucket (gs://, s3://); see
`ttd-jax evaluate --help`.
"""

from absl.flags import FlagValues

from ttd_jax.commands import common, training


def define_flags(values: FlagValues) -> None:
    """The flags of this command."""
    flag = common.Flags(values)
    flag.config("finetune.py", "how to train: FILE:MODEL,DATASET")
    flag.place("workdir", "folder of the run")
    flag.boolean("resume", "go on with the run in --workdir")
    flag.processes()
    flag.profile()
    flag.json()


def run(values: FlagValues, arguments: list[str]) -> None:
    """Trains; the first process tells the outcome."""
    common.only_flags(values, arguments)
    training.run(values, _start)


def _start(*args, **options):
    from ttd_jax.training.finetune import finetune

    return finetune(*args, **options)
