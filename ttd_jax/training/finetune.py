"""A fine-tuning from its configuration to weights that every other command takes."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp

from ttd_jax.backbones import BackboneRow, Model, lookup
from ttd_jax.checkpoints import store
from ttd_jax.errors import UserError
from ttd_jax.training import processes as processes_lib
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
    row, model, start = _start(config)
    classifier = store.load_classifier(config.classifier) if config.classifier else None
    phases = make_phases(as_plain(config.phases), model, classifier)
    better = _figures(config)
    check_numbers(config, better)
    needs = {key for phase in phases for key in phase.needs}
    share = (process, processes, processes_lib.add_up) if processes > 1 else None
    material = find_material(config, row, needs=needs, share=share)
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
        validation=_validation(config, row, model, material, (process, processes)),
        better=better[config.best],
        process=process,
        processes=processes,
    )
    export = _Export(
        path=workdir / row.name,
        row=row,
        model=model,
        settings=settings,
        writes=process == 0,
        licence=config.licence,
        note=config.note,
    )
    return train(training, model.variables, export, final=config.final)


@dataclasses.dataclass(frozen=True)
class _Export:
    """See `ttd_jax.training.run.Export`."""

    path: pathlib.Path
    row: BackboneRow
    model: Model
    settings: dict
    writes: bool
    licence: str
    note: str

    @property
    def exists(self):
        return (self.path / store.MANIFEST).is_file()

    def write(self, checkpoint):
        if not self.writes:
            return
        trained = self.model.replace(variables=jax.device_get(checkpoint.state.variables))
        source = {
            "licence": self.licence or self.settings["start"]["licence"],
            **({"note": self.note} if self.note else {}),
            "training": {**self.settings, "step": checkpoint.step},
        }
        store.save_model(self.path, self.row.name, trained, source=source, overwrite=True)


def _start(config):
    """`(row, model, origin)`: the network to begin with, and where its weights came from."""
    try:
        row = lookup(config.model)
    except ValueError as error:
        raise UserError(str(error)) from error
    if config.weights:
        model = store.load_model(row.name, config.weights, precision=config.precision)
        manifest = store.read_manifest(config.weights)
        licence = manifest["source"].get("licence", "unknown")
        return row, model, {"sha256": manifest["sha256"], "licence": licence}
    module = row.build(precision=config.precision)
    key = jax.random.key(config.seed)
    variables = jax.jit(module.init)(key, jnp.zeros(row.input_shape))
    if config.initial not in INITIAL:
        raise UserError(f"config.initial={config.initial!r}: must be one of {', '.join(INITIAL)}")
    try:
        variables = INITIAL[config.initial](variables, module)
    except ValueError as error:
        raise UserError(f"config.initial={config.initial!r}: {error}") from error
    origin = {"sha256": None, "licence": "of the one who trained them: begun with random weights"}
    return row, row.bind(variables, precision=config.precision), origin


def _figures(config):
    try:
        return figure_names(config.metrics)
    except ValueError as error:
        raise UserError(f"config.metrics: {error}") from error


def _validation(config, row, model, material: Material, place):
    if material.held_back is None:
        return None
    process, processes = place
    return Validation(
        scenes=material.held_back,
        crop=config.validation_crop,
        model=model,
        row=row,
        names=tuple(config.metrics),
        process=process,
        processes=processes,
    )
