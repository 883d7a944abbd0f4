"""Evaluate models on data sets, on every device of every host, beside the published figures.

    ttd-jax evaluate --out=results --config=configs/evaluate.py:ifcnn_sum,harvard_medical/mri_ct
    ttd-jax evaluate --out=mine --config=configs/evaluate.py:ifcnn_sum,harvard_medical/mri_ct \\
        --config.sources=MRI_dir,CT_dir

Scores every image as it is finished, and ends with results.md, .csv, .json and .tex and the page
report.html (tables, plots, a gallery of --config.gallery scenes) in --out. A stopped run goes on
with --resume. On several hosts start the same command on each, with --out on a disk that all of
them share, or in a bucket (gs://, s3://): on TPU pods, GKE, Slurm and Open MPI they find each
other, elsewhere by --coordinator=HOST:PORT --processes=N --process=I, or JAX's own environment
variables for these. Where one process fails all end.
"""

from absl.flags import FlagValues

from ttd_jax.commands import common
from ttd_jax.commands.meeting import meeting
from ttd_jax.commands.profiling import profiling
from ttd_jax.places import place


def define_flags(values: FlagValues) -> None:
    """The flags of this command."""
    flag = common.Flags(values)
    flag.config("evaluate.py", "what to evaluate: FILE:MODEL,DATASET")
    flag.place("out", "folder for the results")
    flag.boolean("resume", "keep the finished images of --out")
    flag.processes()
    flag.profile()
    flag.json()


def run(values: FlagValues, arguments: list[str]) -> None:
    """Evaluates; the first process merges and prints."""
    common.only_flags(values, arguments, "out")
    out = place(values.out)
    with meeting(values) as (process, processes):
        common.prepare_to_compute()
        from ttd_jax.evaluation import evaluate  # after the processes have met

        with common.interruptible("finished images are"), profiling(values, process, processes):
            comparisons = evaluate.evaluate(
                values.config, out, resume=values.resume, process=process, processes=processes
            )
    if comparisons is not None:  # the first process tells the results
        common.tell(values, comparisons, (out / "results.md").read_text(encoding="utf-8"))
