"""Run the paper's theory and discussion: ablations, probes, which loss map, which temperature.

    ttd-jax analyze --out=analysis --config=configs/analyze.py:theory,harvard_medical/mri_ct
    ttd-jax analyze --out=analysis --config=configs/analyze.py:grid+noise --config.root=benchmarks

STUDY+STUDY,DATASET+DATASET after the colon; without data sets, all that the configuration names.
Studies: theory (both sides of Theorem 3.1), form (Table 4), normalization (Table 5), correlation
(Fig. 5b), grid (loss map, norm and temperature, ranked by the published gains), noise (Table 8),
sources (2 to 5 of them), gradient (eq. 7), temperature (chosen for every scene), networks (all of
those whose weights are in --config.weights_dir, static and by each of their presets), probes (Figs.
6 to 8). Data sets are prepared ones, or with --config.root a folder of benchmarks as their authors
distribute them. Writes results.json, results.md and plot.png to a folder for each study in --out;
a stopped run goes on with --resume.
"""

from absl.flags import FlagValues

from ttd_jax.commands import common
from ttd_jax.errors import counted, explain_missing
from ttd_jax.places import place


def define_flags(values: FlagValues) -> None:
    """The flags of this command."""
    flag = common.Flags(values)
    flag.config("analyze.py", "what to study: FILE:STUDY,DATASET")
    flag.place("out", "folder for the results")
    flag.boolean("resume", "keep the finished scenes of --out")
    flag.boolean("dry_run", "show what would run, and stop")
    flag.json()


def run(values: FlagValues, arguments: list[str]) -> None:
    """Runs the studies and prints their tables."""
    common.only_flags(values, arguments, "out")
    common.prepare_to_compute()
    with explain_missing("analyze", "analysis"):
        from ttd_jax.analysis import run as analysis
    out = place(values.out)
    if values.dry_run:
        most = values.config.images
        for study, datasets in analysis.plan(values.config):
            counts = ", ".join(
                f"{name} ({counted(min(len(found), most or len(found)), 'scene')})"
                for name, found in datasets.items()
            )
            weighings = sum(len(one.weighings) for one in study.passes)
            common.show(f"{study.name}: {weighings} fusions of each scene of {counts}")
        return
    with common.interruptible("finished scenes are"):
        results = analysis.analyze(values.config, out, resume=values.resume)
    tables = [
        (out / result["study"] / "results.md").read_text(encoding="utf-8") for result in results
    ]
    common.tell(values, results, "".join(tables))
