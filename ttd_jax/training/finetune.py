"""A fine-tuning from its configuration to weights that every other command takes."""

import pathlib

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from ttd_jax import fields, metrics
from ttd_jax.errors import naming
from ttd_jax.networks import PRECISIONS, ClassifierSpec, lookup, takes_extents
from ttd_jax.pictures.batches import SIZES, choose_frames
from ttd_jax.pictures.crops import middle_size
from ttd_jax.pictures.decode import READING_FIELDS
from ttd_jax.pictures.records import versions_of
from ttd_jax.training.data import find_data
from ttd_jax.training.folder import RunFolder
from ttd_jax.training.initial import INITIAL
from ttd_jax.training.loop import Training
from ttd_jax.training.objectives import OBJECTIVES, needed_keys
from ttd_jax.training.phases import make_phases
from ttd_jax.training.run import RUN_FIELDS, Outcome, as_plain, check_numbers, settings_of, train
from ttd_jax.training.samples import COLORS
from ttd_jax.training.validation import Validation, figure_merits
from ttd_jax.weights import store

_FIELDS = {
    "model": fields.text,
    "datasets": fields.names(),
    "weights": fields.text,
    "classifier": fields.text,
    "initial": fields.one_of(INITIAL),
    "data_dir": fields.text,
    "split": fields.text,
    "sources": fields.folders,
    "crop": fields.whole(least=1),
    "flips": fields.flag,
    "least_contrast": fields.number(least=0, most=1),
    "color": fields.one_of(COLORS),
    "precision": fields.one_of(PRECISIONS),
    "validation_crop": fields.whole(),
    "sizes": fields.one_of(SIZES),
    "metrics": fields.names(),
    "license": fields.text,
    "note": fields.text,
    **READING_FIELDS,
    **RUN_FIELDS,
}


def finetune(
    config: ConfigDict,
    workdir: pathlib.Path,
    *,
    resume: bool = False,
    process: int = 0,
    processes: int = 1,
) -> Outcome:
    """Trains a model as a configuration says, or goes on with a run that was stopped.

    Args:
      config: see `configs/finetune.py`.
      workdir: folder of the run, shared by all processes.
      resume: go on with the run that is there.
      process: this process's index.
      processes: how many there are.

    Raises:
      UserError: unknown names, missing weights or data, unreadable pictures, other settings in
        `workdir`, another run that is writing there, or a training that diverged.
    """
    fields.check_fields(config, _FIELDS)
    share = process, processes
    with RunFolder.hold(workdir, "finetune", resume=resume, share=share) as folder:
        return _finetune(config, folder)


def _finetune(config, folder):
    model, start = _start(config)
    classifier = store.load(config.classifier, kind=ClassifierSpec) if config.classifier else None
    phases = make_phases(as_plain(config.phases), model, classifier)
    with naming("config.metrics"):
        merits = figure_merits(config.metrics, model.spec)
    check_numbers(config, merits)
    needs = {key for phase in phases for key in needed_keys(phase.name, phase.options)}
    data = find_data(config, model.spec, needs=needs, share=folder.share)
    functions = [OBJECTIVES[phase.name].measure for phase in phases]
    functions += [metrics.lookup(name).function for name in config.metrics]
    settings = {
        "config": settings_of(config),
        "start": start,
        "classifier": classifier and store.read_manifest(config.classifier)["sha256"],
        "data": {"names": list(config.datasets), "sha256": data.sha256},
        "versions": versions_of(model, strategies=[model.settings], functions=functions),
    }
    folder.keep(settings)
    # Objectives of plug-ins look at whole arrays.
    own = all(phase.name in OBJECTIVES.own() for phase in phases)
    fits = own and takes_extents(model, [model.settings], config.metrics)
    sizes = [middle_size(size, config.validation_crop) for size in data.sizes]
    validation = data.held_back and Validation(
        scenes=data.held_back,
        crop=config.validation_crop,
        frames=choose_frames(sizes, exact=config.sizes == "exact" or not fits),
        model=model,
        names=tuple(config.metrics),
        share=folder.share,
    )
    training = Training(
        config=config,
        folder=folder,
        phases=phases,
        sampler=lambda phase: data.scenes,
        validation=validation,
        merit=merits[config.best],
    )

    def save(path, variables, origin):
        source = {"license": config.license or start["license"], "training": origin}
        if config.note:
            source["note"] = config.note
        store.save(path, model.replace(variables=variables), source=source, overwrite=True)

    return train(training, model.variables, settings, model.spec.name, save)


def _start(config):
    """`(model, origin)`: the network to begin with, and where its weights came from."""
    spec = lookup(config.model)
    if config.weights:
        model = store.load(config.weights, name=spec.name, precision=config.precision)
        manifest = store.read_manifest(config.weights)
        license = manifest["source"].get("license", "unknown")
        return model, {"sha256": manifest["sha256"], "license": license}
    module = spec.build(precision=config.precision)
    key = jax.random.key(config.seed)
    variables = jax.jit(module.init)(key, jnp.zeros(spec.input_shape))
    with naming(f"config.initial={config.initial!r}"):
        variables = INITIAL[config.initial](variables, module)
    origin = {"sha256": None, "license": "of the one who trained them: begun with random weights"}
    return spec.bind(variables, precision=config.precision), origin
