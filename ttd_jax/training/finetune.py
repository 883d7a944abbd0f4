"""A fine-tuning from its configuration to weights that every other command takes."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp

from ttd_jax.errors import UserError
from ttd_jax.networks import ClassifierSpec, Model, lookup
from ttd_jax.training.initial import INITIAL
from ttd_jax.training.material import Material, find_material
from ttd_jax.training.phases import make_phases
from ttd_jax.training.run import (
    Outcome,
    as_plain,
    check_numbers,
    find_run,
    make_training,
    settings_of,
    train,
)
from ttd_jax.training.settings import keep_settings
from ttd_jax.training.validation import Validation, figure_names
from ttd_jax.weights import store


def finetune(
    config, workdir: pathlib.Path, *, resume: bool = False, process: int = 0, processes: int = 1
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
        `workdir`, or a training that diverged.
    """
    begun = find_run(workdir, resume=resume)
    model, start = _start(config)
    classifier = store.load(config.classifier, kind=ClassifierSpec) if config.classifier else None
    phases = make_phases(as_plain(config.phases), model, classifier)
    better = _figures(config)
    check_numbers(config, better)
    needs = {key for phase in phases for key in phase.needs}
    material = find_material(config, model.spec, needs=needs, share=(process, processes))
    settings = {
        "config": settings_of(config),
        "start": start,
        "classifier": classifier and store.read_manifest(config.classifier)["sha256"],
        "data": {"names": list(config.datasets), "sha256": material.sha256},
    }
    keep_settings(workdir, settings, begun=begun, writes=process == 0)
    training = make_training(
        config,
        workdir,
        phases,
        lambda phase: material.scenes,
        validation=_validation(config, model, material, (process, processes)),
        better=better[config.best],
        process=process,
        processes=processes,
    )
    export = _Export(
        path=workdir / model.spec.name,
        model=model,
        settings=settings,
        writes=process == 0,
        license=config.license,
        note=config.note,
    )
    return train(training, model.variables, export, final=config.final)


@dataclasses.dataclass(frozen=True)
class _Export:
    """See `ttd_jax.training.run.Export`."""

    path: pathlib.Path
    model: Model
    settings: dict
    writes: bool
    license: str
    note: str

    @property
    def exists(self):
        return (self.path / store.MANIFEST).is_file()

    def write(self, checkpoint):
        if not self.writes:
            return
        trained = self.model.replace(variables=jax.device_get(checkpoint.state.variables))
        source = {
            "license": self.license or self.settings["start"]["license"],
            **({"note": self.note} if self.note else {}),
            "training": {**self.settings, "step": checkpoint.step},
        }
        store.save(self.path, trained, source=source, overwrite=True)


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
    if config.initial not in INITIAL:
        raise UserError(f"config.initial={config.initial!r}: must be one of {', '.join(INITIAL)}")
    try:
        variables = INITIAL[config.initial](variables, module)
    except ValueError as error:
        raise UserError(f"config.initial={config.initial!r}: {error}") from error
    origin = {"sha256": None, "license": "of the one who trained them: begun with random weights"}
    return spec.bind(variables, precision=config.precision), origin


def _figures(config):
    try:
        return figure_names(config.metrics)
    except UserError as error:
        raise UserError(f"config.metrics: {error}") from error


def _validation(config, model, material: Material, place):
    if material.held_back is None:
        return None
    process, processes = place
    return Validation(
        scenes=material.held_back,
        crop=config.validation_crop,
        model=model,
        names=tuple(config.metrics),
        process=process,
        processes=processes,
    )
