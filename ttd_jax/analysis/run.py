"""A study from its configuration to its records, table and plot."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import jax
import numpy as np
from ml_collections import ConfigDict

from ttd_jax import fields, metrics
from ttd_jax.analysis import pictures, plots, probing, program, summary, tables
from ttd_jax.analysis.noise import perturb
from ttd_jax.analysis.scenes import find_examples, load_scene, spread
from ttd_jax.analysis.studies import STUDIES, Pass, Study
from ttd_jax.core.fusion import INSEPARABLE
from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.files import dumps, read_json, write_whole
from ttd_jax.folders import alone
from ttd_jax.networks import PRECISIONS, lookup, takes_extents
from ttd_jax.pictures.ahead import ahead
from ttd_jax.pictures.batches import SIZES, choose_frames
from ttd_jax.pictures.checking import check
from ttd_jax.pictures.crops import middle_size
from ttd_jax.pictures.records import IMAGE, Records, check_covered, check_images, versions_of
from ttd_jax.places import place
from ttd_jax.report.progress import progress
from ttd_jax.weights import store

_FIELDS = {
    "studies": fields.names(least=1),
    "datasets": fields.names(),
    "all_datasets": fields.names(),
    "model": fields.text,
    "networks": fields.names(),
    "weights_dir": fields.text,
    "root": fields.text,
    "folders": fields.mapping(fields.text),
    "data_dir": fields.text,
    "split": fields.text,
    "images": fields.whole(),
    "crop": fields.whole(),
    "sizes": fields.one_of(SIZES),
    "protocol": fields.one_of(metrics.PROTOCOLS),
    "metrics": fields.names(least=1),
    "precision": fields.one_of(PRECISIONS),
    "presets": fields.names(),
    "temperatures": fields.numbers(least=0),
    "gradient": fields.mapping(),
    "channel": fields.whole(),
    "seed": fields.whole(),
    "damaged": fields.whole(),
    "corruptions": fields.names(),
    "severities": fields.numbers(least=0, most=1),
}


def analyze(config: ConfigDict, out: pathlib.Path, *, resume: bool = False) -> list[dict]:
    """Runs every study of a configuration.

    Args:
      config: see `configs/analyze.py`.
      out: folder for the results; each study has its own below it.
      resume: keep finished scenes.

    Returns:
      The summaries, one a study; see `ttd_jax.analysis.summary`.

    Raises:
      UserError: unknown names, missing weights or data, other settings in `out`, no space.
    """
    studies = plan(config)
    names = {one.model or config.model for study, _ in studies for one in study.passes}
    models = {name: _load(name, config) for name in sorted(names)}
    least = max(model.spec.min_size for model, _ in models.values())
    every = {name: found for _, datasets in studies for name, found in datasets.items()}
    scenes = {
        name: check(found, gray=True, count=config.images or None, least=least)
        for name, found in every.items()
    }
    results = []
    with alone(out, "analyze"):
        for study, datasets in studies:
            own = {name: scenes[name] for name in datasets}
            results.append(_run_study(study, own, models, config, out, resume))
    return results


def _load(name, config):
    """A network with its weights, and their hash."""
    weights = place(config.weights_dir) / name
    model = store.load(weights, name=name, fold=True, precision=config.precision)
    return model, store.read_manifest(weights)["sha256"]


def plan(config: ConfigDict) -> list[tuple[Study, dict[str, Sequence]]]:
    """`[(study, {data set: examples})]`; every name is checked.

    Raises:
      UserError: for an unknown name, or data that is not there.
    """
    fields.check_fields(config, _FIELDS)
    spec = lookup(config.model)
    if not spec.presets:
        raise UserError(f"config.model={spec.name}: {INSEPARABLE}: choose another")
    metrics.choose(config.metrics, config.protocol)
    studies = []
    for name in config.studies:
        if name not in STUDIES:
            raise UserError(f"unknown study {name!r}: known studies: {', '.join(STUDIES)}")
        try:
            study = STUDIES[name].plan(spec, config)
        except (TypeError, ValueError) as error:
            raise UserError(f"{name}: {error}: mend the --config field") from error
        names = config.datasets or study.datasets or config.all_datasets
        datasets = {n: find_examples(n, config) for n in names}
        for dataset, examples in datasets.items():
            _check_sources(study, dataset, len(examples.roles), config)
        studies.append((study, datasets))
    return studies


def _check_sources(study, dataset, count, config):
    for one in study.passes:
        spec = lookup(one.model or config.model)
        if spec.source_count and max(one.sources, count) != spec.source_count:
            raise UserError(
                f"{dataset}: has {count} sources, {spec.name} takes {spec.source_count}: choose "
                "another data set or network"
            )
    if study.probing and not 0 <= config.damaged < count:
        raise UserError(f"config.damaged={config.damaged}: {dataset} has {count} sources")


def _run_study(study, datasets, models, config, out, resume):
    root, out = out, out / study.name
    rows = read_json(out / "results.json", {"rows": [{"dataset": str}]}) or {"rows": ()}
    held = [row["dataset"] for row in rows["rows"]]
    mend = f"name all data sets of {study.name} in the same command"
    check_covered(out, "data sets", held, datasets, mend)
    every = {}
    for one in study.passes:
        model, sha256 = models[one.model or config.model]
        measures = {weighing.name: {str: float} for weighing in one.weighings}
        like = {**IMAGE, "measures": measures, "moments": {name: {} for name in measures}}
        records = Records(out / "passes" / one.name.replace(" ", "_"), like=like, root=root)
        settings = _settings(study, one, model, config, sha256)
        found = records.find(settings, resume=resume)
        if rows["rows"]:
            names = {name: scenes.examples.names for name, scenes in datasets.items()}
            check_images(out, found, names)
        frames = _frames(one, datasets, model, config)
        every[one.name] = model, frames, records, settings
    total = sum(map(len, datasets.values())) * len(study.passes)
    finished = {}
    with progress(description=study.name, total=total) as bar:
        for one in study.passes:
            model, frames, records, settings = every[one.name]
            measure = _measurer(study, one, model, config)
            load = functools.partial(
                load_scene,
                protocol=config.protocol,
                crop=config.crop,
                channels=model.spec.channels,
                sources=one.sources,
            )
            with records.leaving_no_trace():
                records.open(settings)
                finished[one.name] = _run_pass(one, datasets, frames, records, load, measure, bar)
    result = summary.summarize(study, finished, model.spec)  # of its last pass: mostly of all
    with explain_os_errors(out):
        write_whole(out / "results.json", dumps(result))
        write_whole(out / "results.md", tables.markdown(result))
        plots.draw(result, study, out / "plot.png")
        if study.probing:
            pictures.draw_probes(study, datasets, frames, model, config, out)
        if study.across:
            networks = [(one, *every[one.name][:2]) for one in study.passes]
            pictures.draw_networks(datasets, networks, config, out)
    return result


def _frames(one, datasets, model, config):
    """Data set -> the arrays that hold its scenes' pictures."""
    settings = [weighing.settings for weighing in one.weighings]
    exact = config.sizes == "exact" or not takes_extents(model, settings, config.metrics)
    return {
        name: choose_frames([middle_size(one.size, config.crop) for one in scenes], exact=exact)
        for name, scenes in datasets.items()
    }


def _settings(study, one, model, config, sha256):
    kept = (
        "crop",
        "protocol",
        "metrics",
        "precision",
        "seed",
        "damaged",
        "images",
        "sizes",
    )
    return {
        "model": model.spec.name,
        "weights_sha256": sha256,
        "theory": study.theory,
        "pass": dataclasses.asdict(one),
        **{name: config[name] for name in kept},
        "versions": versions_of(
            model,
            strategies=[weighing.settings for weighing in one.weighings],
            functions=[metrics.lookup(name).function for name in config.metrics],
        ),
    }


def _measurer(study: Study, one: Pass, model, config):
    """Function: a scene's inputs -> what `program.measure_scene` returns."""
    model = perturb(model, one.noise, config.seed) if one.noise else model
    if one.corruption:
        probe = program.compiled(
            probing.probe_scene,
            weighings=one.weighings,
            corruption=one.corruption,
            damaged=config.damaged,
        )
        key = jax.random.key(config.seed)
        return lambda scene: probe(model, scene.pictures, key, scene.extent)
    measure = program.compiled(
        program.measure_scene,
        weighings=one.weighings,
        how=model.spec.quantize,
        protocol=config.protocol,
        names=metrics.choose(config.metrics, config.protocol),
        theory=study.theory,
    )
    return lambda scene: measure(model, scene.pictures, scene.grays, scene.extent)


def _run_pass(one, datasets, frames, records, load, measure, bar):
    """Measures what is not finished; data set -> records of its scenes."""
    known = records.finished()
    keys = {
        (name, index): (name, scenes.examples.names[index], *_hashes(scenes[index], one.sources))
        for name, scenes in datasets.items()
        if len(scenes.examples.roles) >= one.sources
        for index in range(len(scenes))
    }
    todo = [place for place, key in keys.items() if key not in known]
    bar.update(sum(map(len, datasets.values())) - len(todo))

    def load_at(place):
        name, index = place
        return load(datasets[name], index, frames[name][index])

    for (name, _), scene in ahead(load_at, todo):
        measures, moments = jax.tree.map(np.asarray, measure(scene))
        record = {"dataset": name, "image": scene.name, "sha256": list(scene.sha256)}
        for kind, values in (("measures", measures), ("moments", moments)):
            record[kind] = {
                weighing.name: {k: v[index].tolist() for k, v in values.items()}
                for index, weighing in enumerate(one.weighings)
            }
        records.append(record)
        bar.update()
    known = records.finished()
    return {name: [known[key] for key in keys.values() if key[0] == name] for name in datasets}


def _hashes(checked, sources):
    """Of the sources that a pass takes, as its records have them."""
    return [checked.sha256[m] for m in spread(len(checked.colored), sources)]
