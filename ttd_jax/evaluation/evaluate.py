"""An evaluation from its configuration to its tables and its page."""

import contextlib
import dataclasses
import pathlib

import jax
from ml_collections import ConfigDict

from ttd_jax import fields, metrics
from ttd_jax.align import MODELS
from ttd_jax.core.color import COLORS
from ttd_jax.core.fusion import INSEPARABLE
from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.evaluation import comparison, report
from ttd_jax.evaluation.gallery import Gallery
from ttd_jax.evaluation.loop import Evaluation, evaluate_dataset
from ttd_jax.evaluation.regions import check_masks
from ttd_jax.files import dumps, read_json, write_whole
from ttd_jax.folders import together
from ttd_jax.networks import PRECISIONS, FusionSpec
from ttd_jax.parts import batch_memory
from ttd_jax.pictures import transforms
from ttd_jax.pictures.batches import SIZES
from ttd_jax.pictures.checking import check
from ttd_jax.pictures.decode import READING_FIELDS, reading_of
from ttd_jax.pictures.prepared import prepared_examples
from ttd_jax.pictures.records import IMAGE, Records, check_covered, check_images, versions_of
from ttd_jax.pictures.scenes import find_scenes
from ttd_jax.places import place
from ttd_jax.processes import greatest, wait_for_all
from ttd_jax.report.progress import remark
from ttd_jax.weights import store

_RESULTS = "results.json"
_FIELDS = {
    "models": fields.names(least=1),
    "datasets": fields.names(least=1),
    "weights_dir": fields.text,
    "strategies": fields.names(least=1),
    "protocol": fields.one_of(metrics.PROTOCOLS),
    "metrics": fields.names(),
    "color": fields.one_of(COLORS),
    "precision": fields.one_of(PRECISIONS),
    "batch_size": fields.whole(),
    "sizes": fields.one_of(SIZES),
    "gallery": fields.whole(),
    "data_dir": fields.text,
    "split": fields.text,
    "sources": fields.folders,
    **READING_FIELDS,
    **transforms.ALIGN_FIELDS,
}


def evaluate(
    config: ConfigDict,
    out: pathlib.Path,
    *,
    resume: bool = False,
    process: int = 0,
    processes: int = 1,
) -> list[dict] | None:
    """Evaluates every model on every data set of a configuration.

    Args:
      config: see `configs/evaluate.py`.
      out: folder for records, tables and the page, shared by all processes; a place.
      resume: keep finished images.
      process: this process's index.
      processes: how many there are.

    Returns:
      The comparisons (see `comparison.compare`) in the first process, None in the others.

    Raises:
      UserError: unknown names, missing weights or data, unreadable images; `out` has results of
        other settings, models, data sets or images, or another run is writing there.
    """
    fields.check_fields(config, _FIELDS)
    align = transforms.alignment_of(config)
    reading = dataclasses.replace(reading_of(config), align=align)
    jobs = [_job(config, name) for name in config.models]
    for job in jobs if process == 0 else ():
        if len(job.strategies) < len(config.strategies):
            remark(f"{job.model.spec.name}: {INSEPARABLE}: evaluated statically")
    found = {name: _examples(config, name) for name in config.datasets}
    with together(out, "evaluate", share=(process, processes)):
        return _evaluate(config, jobs, found, reading, out, resume, (process, processes))


def _evaluate(config, jobs, found, reading, out, resume, share):
    """`evaluate` in a folder that no other run writes into."""
    process, processes = share
    runs, recorded = [], set()
    for job in jobs:
        settings, place = _settings(config, job, reading.align), out / job.model.spec.name
        scores = {strategy: dict.fromkeys(job.names, float | None) for strategy in job.strategies}
        records = Records(place, like={**IMAGE, "scores": scores}, process=process, root=out)
        recorded |= records.find(settings, resume=resume).keys()
        runs.append((job, settings, records))
    _check_tables(out, config, found, recorded)
    datasets = {
        name: check(
            examples,
            gray=config.color == "network",
            reading=reading,
            least=max(job.model.spec.min_size for job in jobs),
            share=share,
        )
        for name, examples in found.items()
    }
    masked = any(scene.masked for scenes in datasets.values() for scene in scenes)
    for job in jobs:
        check_masks(job.names, job.protocol, regions=False, masked=masked)
    options = {"process": process, "processes": processes, "memory": _memory()}
    for job, settings, records in runs:
        with records.leaving_no_trace() if processes == 1 else contextlib.nullcontext():
            records.open(settings, first=process == 0)
            for name, scenes in datasets.items():
                evaluate_dataset(job, name, scenes, records, **options)
    if processes > 1:
        wait_for_all()
    if process:
        return None
    sections = []
    for job, settings, records in runs:
        for name, scenes in datasets.items():
            scored = _merged(records, name, scenes, job.strategies)
            compared = comparison.compare(
                job.model.spec.name, name, scored, job.names, prepared=not config.sources
            )
            sections.append(report.Section(comparison=compared, records=scored, settings=settings))
    comparisons, protocol = [section.comparison for section in sections], config.protocol
    ranked = comparison.rank([(section.comparison, section.records) for section in sections])
    files = {
        "results.md": comparison.markdown(comparisons, protocol, ranked),
        "results.csv": comparison.csv_table(comparisons, protocol),
        "results.tex": comparison.latex(comparisons, protocol, ranked),
        _RESULTS: dumps({"protocol": protocol, "comparisons": comparisons, "ranks": ranked}),
        **_transforms(datasets, reading.align),
    }
    _write(out, files)
    # The page comes last: its pictures take a while, and by then the tables are safe.
    remaining, shown = iter(sections), []
    for job in jobs:
        gallery = Gallery(job)
        for scenes in datasets.values():
            cards = gallery.cards(scenes, config.gallery)
            shown.append(dataclasses.replace(next(remaining), cards=cards))
    _write(out, {"report.html": report.render(shown, protocol, ranked)})
    return comparisons


def _transforms(datasets, align):
    """File -> content of the transforms that were found, for each data set."""
    if align.model not in MODELS:
        return {}
    files = {}
    for name, scenes in datasets.items():
        prefix = f"{name.replace('/', '_')}_" if len(datasets) > 1 else ""
        found = {
            scene: transforms.as_record(one.registration)
            for scene, one in zip(scenes.examples.names, scenes, strict=True)
        }
        files[prefix + transforms.TRANSFORMS] = transforms.file_text(found)
    return files


def _memory():
    """Bytes that a batch may take on a device of any process; None if one has none of its own."""
    memory = batch_memory(jax.local_devices()[0]) or 0
    return (-greatest(-(memory >> 20)) << 20) or None  # asked by every process: the others wait


def _check_tables(out, config, found, recorded):
    like = {"comparisons": [{"model": str, "dataset": str}]}
    tables = read_json(out / _RESULTS, like)
    if tables is None:
        return
    held = [f"{c['model']} on {c['dataset']}" for c in tables["comparisons"]]
    given = {f"{model} on {dataset}" for model in config.models for dataset in config.datasets}
    mend = "evaluate them in the same command: MODEL+MODEL,DATASET+DATASET"
    check_covered(out, "models or data sets", held, given, mend)
    check_images(out, recorded, {name: examples.names for name, examples in found.items()})


def _job(config, name):
    model = store.load(
        place(config.weights_dir) / name,
        name=name,
        kind=FusionSpec,
        fold=True,
        precision=config.precision,
    )
    return Evaluation(
        model=model,
        strategies={name: model.strategy(name) for name in model.spec.doable(config.strategies)},
        color=config.color,
        protocol=config.protocol,
        names=metrics.choose(config.metrics, config.protocol),
        batch_size=config.batch_size,
        sizes=config.sizes,
    )


def _examples(config, name):
    if not config.sources:
        return prepared_examples(name, config.split, config.data_dir or None)
    sources = config.sources
    if not isinstance(sources[0], str):
        if len(sources) != len(config.datasets):
            raise UserError(
                f"config.sources names folders of {len(sources)} data sets: the config names "
                f"{len(config.datasets)}"
            )
        sources = sources[config.datasets.index(name)]
    return find_scenes(sources)


def _settings(config, job, align):
    weights = place(config.weights_dir) / job.model.spec.name
    return {
        "model": job.model.spec.name,
        "weights_sha256": store.read_manifest(weights)["sha256"],
        "strategies": {
            name: settings and dataclasses.asdict(settings)
            for name, settings in job.strategies.items()
        },
        "color": job.color,
        "precision": config.precision,
        "protocol": job.protocol,
        "metrics": list(job.names),
        "batch_size": job.batch_size,
        "sizes": job.sizes,
        "range": config.range,
        "bands": list(config.bands),
        "align": align.as_record(),
        "versions": versions_of(
            job.model,
            strategies=job.strategies.values(),
            functions=[metrics.lookup(name).function for name in job.names],
        ),
    }


def _merged(records, name, scenes, strategies):
    """The records of a data set, whose scores are in the order of the strategies."""
    found, keys = records.finished(), [(name, *key) for key in scenes.keys]
    missing = sum(key not in found for key in keys)
    if missing:
        raise UserError(
            f"{name}: {missing} images have no scores although every process ended: is --out "
            "shared by all of them?"
        )
    return [
        {**found[key], "scores": {one: found[key]["scores"][one] for one in strategies}}
        for key in keys
    ]


def _write(out, files):
    with explain_os_errors(out):
        for name, text in files.items():
            write_whole(out / name, text)
