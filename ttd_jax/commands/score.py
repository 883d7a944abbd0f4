"""Score any method's saved pictures against their sources.

    ttd-jax score --fused=out --sources=visible_dir,infrared_dir --out=scores
    ttd-jax score --fused=static,ttd --sources=visible_dir,infrared_dir --out=scores
    ttd-jax score --fused=out --sources=visible_dir,infrared_dir --region=masks --out=scores
    ttd-jax score --fused=fused.mp4 --sources=visible.mp4,thermal.mkv --out=scores

Pictures are matched with their sources by file name. Writes scores.csv (one row an image),
scores.json and scores.md (mean, standard deviation and bootstrap 95 % interval; for several
--fused also paired differences from the first, mean ranks, and the metrics on which they differ),
and prints the last. --region names a folder of masks: the object, where a picture's mask is not 0,
and the background are scored apart. A table names its protocol: `paper` is that of the TTD paper's
tables, `vifb`, `mefb`, `tang`, `ivif_zoo` and `liu` those of benchmarks and toolboxes; see
`ttd-jax metrics`.

Videos, and with --sequence folders, are sequences, whose frames are matched by number or time:
scores.csv has a row a frame, and beside the metrics stands what changes from frame to frame.
"""

from absl.flags import FlagValues

from ttd_jax.commands import common
from ttd_jax.errors import UserError
from ttd_jax.evaluation import sequence_tables, tables
from ttd_jax.evaluation.matched import match_sequences
from ttd_jax.evaluation.score import match_results, score_results
from ttd_jax.evaluation.sequence import score_sequences
from ttd_jax.metrics import FIFTEEN, PROTOCOLS, choose, scored
from ttd_jax.pictures.scenes import find_scenes, source_labels
from ttd_jax.pictures.video.streams import is_video
from ttd_jax.places import place
from ttd_jax.report.progress import remark

_QUIRK = (
    "protocol paper judges results with color by the gray of its authors, who exchanged red and "
    "blue; --protocol=vifb judges them as it does the sources"
)


def define_flags(values: FlagValues) -> None:
    """The flags of this command."""
    flag = common.Flags(values)
    flag.paths("fused", "folders of fused pictures, or NAME=FOLDER to name them in the tables")
    flag.paths("sources", "folders of sources, by role")
    flag.boolean("sequence", "the folders hold frames; videos do so anyway")
    flag.times()
    flag.place("region", "folder of masks: object (not 0) and background are scored apart")
    flag.place("out", "folder for the tables")
    flag.choice("protocol", "of the metrics", PROTOCOLS, "paper")
    flag.several("metrics", "names, core or all; see `ttd-jax metrics`", (FIFTEEN,))
    flag.range()
    flag.transforms("the transforms.json of the run that fused them: sources are scored so warped")
    flag.sizes()
    flag.boolean("resume", "keep the finished scores of --out")
    flag.json()


def run(values: FlagValues, arguments: list[str]) -> None:
    """Scores and prints the table."""
    common.only_flags(values, arguments, "fused", "sources", "out")
    if not values.metrics:
        raise UserError("--metrics is empty: pass core, all or names; `ttd-jax metrics` lists them")
    names = choose(values.metrics, values.protocol)
    every = scored(values.protocol)
    if values.protocol != "paper" and tuple(values.metrics) == (FIFTEEN,):
        told = f"{len(names)} of the {len(every)} metrics of {values.protocol}"
        remark(f"{told} are among the core fifteen: --metrics=all scores all of them")
    given = (*values.fused, *values.sources)
    if values.sequence or any(is_video(word.rpartition("=")[2]) for word in given):
        _score_sequences(values, names)
        return
    for name in ("offset", "rate", "until"):
        if values[name].present:
            raise UserError(f"--{name}: is of sequences: pass videos, or folders with --sequence")
    _score_pictures(values, names)


def _score_pictures(values, names):
    labels, folders = _named(values.fused)
    region = place(values.region) if values.region else None
    for folder in (*folders, *map(place, values.sources), *([region] if region else [])):
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder: check the path")
    out, scenes = place(values.out), find_scenes(values.sources, least=1)
    pictures = match_results(folders, labels, scenes, region)
    common.prepare_to_compute()
    with common.interruptible("finished scores are"):
        records = score_results(
            pictures,
            out,
            protocol=values.protocol,
            names=names,
            resume=values.resume,
            reading=common.reading(values),
            sizes=values.sizes,
            masked=region is not None,
        )
    _tell(values, names, records, tables)


def _score_sequences(values, names):
    for name in ("region", "transforms"):
        if values[name].present:
            raise UserError(f"--{name}: --sequence does not take it: leave it out")
    labels, places = _named(values.fused)
    reading = common.reading(values)
    matched = match_sequences(
        dict(zip(labels, places, strict=True)),
        values.sources,
        offsets=common.offsets(values),
        rate=values.rate,
        until=values.until,
    )
    for line in matched.remarks:
        remark(line)
    common.prepare_to_compute()
    with common.interruptible("finished scores are"):
        records = score_sequences(
            matched,
            place(values.out),
            protocol=values.protocol,
            names=names,
            ranges=reading.ranges,
            resume=values.resume,
        )
    _tell(values, names, records, sequence_tables)


def _tell(values, names, records, own):
    """Prints the tables of pictures or of sequences."""
    if values.protocol == "paper" and any(record.get("colored") for record in records):
        remark(_QUIRK)
    if values.json:
        print((place(values.out) / "scores.json").read_text(encoding="utf-8"), end="")
        return
    common.show(own.markdown(own.summarize(records, names), values.protocol, names).rstrip())


def _named(words):
    """The names of the results, and their folders."""
    split = [("", "", word) if place(word).exists() else word.rpartition("=") for word in words]
    folders = [place(folder).expanduser() for _, _, folder in split]
    labels = [
        name or label for (name, _, _), label in zip(split, source_labels(folders), strict=True)
    ]
    if len(set(labels)) < len(labels):
        raise UserError(f"--fused: {', '.join(labels)}: give every folder a name of its own")
    return labels, folders
