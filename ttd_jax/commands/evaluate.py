"""Evaluate models on data sets, on every device of every host, beside the published figures.

    ttd-jax evaluate --out=results --config=configs/evaluate.py:ifcnn_sum,harvard_medical/mri_ct
    ttd-jax evaluate --out=results --config=configs/evaluate.py:ifcnn_sum,harvard_medical/mri_ct \\
        --config.sources="('MRI_dir','CT_dir')"

Scores every image as it is finished, and ends with results.md, .csv, .json and .tex and the page
report.html (tables, plots, a gallery of --config.gallery scenes) in --out. A stopped run goes on
with --resume. On several hosts start the same command on each, with --out on a disk that all of
them share, and --coordinator=HOST:PORT --processes=N --process=I, or JAX's own environment
variables for these, or --distributed where JAX finds the hosts itself (TPU pods, Slurm).
"""

import pathlib

from absl import flags

from ttd_jax.commands import common
from ttd_jax.files import dumps


def define_flags(values):
    """The flags of this command."""
    common.define_config(values, "evaluate.py", "what to evaluate: FILE:MODEL,DATASET")
    flags.DEFINE_string("out", None, "folder for the results", flag_values=values)
    flags.DEFINE_bool("resume", False, "keep the finished images of --out", flag_values=values)
    common.define_processes(values)
    common.define_json(values)


def run(values, arguments):
    """Evaluates; the first process merges and prints."""
    common.reject_arguments(arguments)
    common.require(values, "out")
    process, processes = common.meet(values)
    common.use_compilation_cache()
    from ttd_jax.evaluation import evaluate  # after the processes have met

    with common.interruptible("finished images are"):
        comparisons = evaluate.evaluate(
            values.config,
            pathlib.Path(values.out),
            resume=values.resume,
            process=process,
            processes=processes,
        )
    if comparisons is None:  # the first process tells the results
        return
    if values.json:
        print(dumps(comparisons), end="")
    else:
        print((pathlib.Path(values.out) / "results.md").read_text(), end="")
