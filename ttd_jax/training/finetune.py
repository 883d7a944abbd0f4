"""A fine-tuning from its configuration to weights that every other command takes."""

import contextlib
import dataclasses
import json
import pathlib

import jax
import jax.numpy as jnp

from ttd_jax.backbones import BackboneRow, Model, lookup
from ttd_jax.checkpoints import store
from ttd_jax.errors import UserError
from ttd_jax.training import processes as processes_lib
from ttd_jax.training import stopping
from ttd_jax.training.checkpointing import FOLDER, Checkpoints
from ttd_jax.training.initial import INITIAL
from ttd_jax.training.loop import Cadence, NotFiniteError, Training
from ttd_jax.training.material import Material, find_material
from ttd_jax.training.phases import make_phases
from ttd_jax.training.pipeline import Pipeline
from ttd_jax.training.settings import keep_settings
from ttd_jax.training.validation import Validation, figure_names

_FINALS = ("last", "best")
# Fields of a config that say where something lies: the hash of what lies there is kept instead.
_PLACES = ("weights", "classifier", "data_dir", "sources")
# Fields that are told in the manifest and change nothing.
_WORDS = ("licence", "note")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
      step: where it stands.
      steps: how many it makes in all.
      reason: why it stopped: NOT where it is over, TERMINATED or INTERRUPTED.
      weights: the directory of the trained weights; None unless it is over.
    """

    step: int
    steps: int
    reason: int
    weights: pathlib.Path | None


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
    begun = any((workdir / FOLDER).glob("[0-9]*"))
    if begun and not resume:
        raise UserError(
            f"{workdir}: holds a run already: pass --resume, or choose another --workdir"
        )
    row, model, start = _start(config)
    classifier = store.load_classifier(config.classifier) if config.classifier else None
    phases = make_phases(_plain(config.phases), model, classifier)
    _check_numbers(config)
    needs = {key for phase in phases for key in phase.needs}
    share = (process, processes, processes_lib.add_up) if processes > 1 else None
    material = find_material(config, row, needs=needs, share=share)
    settings = {
        "config": {k: v for k, v in _plain(config).items() if k not in (*_PLACES, *_WORDS)},
        "start": start,
        "classifier": classifier and store.read_manifest(config.classifier)["sha256"],
        "data": {"names": list(config.datasets), "sha256": material.sha256},
    }
    keep_settings(workdir, settings, begun=begun, writes=process == 0)
    training = Training(
        phases=phases,
        pipeline=Pipeline(
            material.scenes,
            batch_size=config.batch_size,
            seed=config.seed,
            process=process,
            processes=processes,
        ),
        batch_size=config.batch_size,
        accumulate=config.accumulate,
        cadence=Cadence(
            log=config.log_every,
            validate=config.validate_every,
            checkpoint=config.checkpoint_every,
        ),
        checkpoints=Checkpoints(
            workdir, newest=config.keep, better=figure_names(config.metrics)[config.best]
        ),
        validation=_validation(config, row, model, material, (process, processes)),
        best=config.best,
        workdir=workdir,
        writes=process == 0,
        devices=jax.local_devices(),
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
    with contextlib.closing(training.pipeline), contextlib.closing(training.checkpoints):
        return _train(training, model.variables, export, final=config.final)


def _train(training, variables, export, *, final):
    steps = training.phases[-1].end
    now = training.restore(variables)
    if now.step == steps and export.exists:
        return Outcome(now.step, steps, stopping.NOT, export.path)
    try:
        with stopping.Stop() as stop:
            now, reason = training.run(now, stop)
    except NotFiniteError as error:
        export.write(error.last)
        raise UserError(
            f"{error}: the weights before it are in {export.path}: lower learning_rate or set "
            "clip_norm, and begin with them in another --workdir"
        ) from error
    if now.step < steps:
        return Outcome(now.step, steps, reason, None)
    if final == "best":
        now = training.restore_step(training.checkpoints.best, variables)
    export.write(now)
    return Outcome(steps, steps, stopping.NOT, export.path)


@dataclasses.dataclass(frozen=True)
class _Export:
    """Writes a checkpoint's weights as every other command takes them."""

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


def _check_numbers(config):
    devices = jax.device_count()
    if config.accumulate < 1 or config.batch_size < 1:
        raise UserError("config.batch_size and config.accumulate must be positive")
    if config.batch_size % (devices * config.accumulate):
        raise UserError(
            f"config.batch_size={config.batch_size}: must be a multiple of {devices} devices x "
            f"config.accumulate={config.accumulate}"
        )
    if config.keep < 1:
        raise UserError(f"config.keep={config.keep}: must be positive")
    try:
        known = figure_names(config.metrics)
    except ValueError as error:
        raise UserError(f"config.metrics: {error}") from error
    if config.best not in known:
        raise UserError(f"config.best={config.best!r}: must be one of {', '.join(known)}")
    if config.final not in _FINALS:
        raise UserError(f"config.final={config.final!r}: must be one of {', '.join(_FINALS)}")
    if config.final == "best" and not config.held_back:
        raise UserError("config.final='best' needs scenes to choose by: set config.held_back")


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


def _plain(config):
    """A config, or a tuple of them, as plain dicts and lists."""
    if isinstance(config, tuple):
        return [_plain(item) for item in config]
    return json.loads(config.to_json())
