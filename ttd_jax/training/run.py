"""What every training does around its loop: begins or goes on, stops, and writes its weights."""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import jax

from ttd_jax.errors import UserError
from ttd_jax.training import stopping
from ttd_jax.training.checkpointing import FOLDER, Checkpoint, Checkpoints
from ttd_jax.training.loop import Cadence, NotFiniteError, Training
from ttd_jax.training.phases import Phase
from ttd_jax.training.pipeline import Pipeline

_FINALS = ("last", "best")
# Fields of a config that say where something lies: the hash of what lies there is kept instead.
_PLACES = ("weights", "classifier", "data_dir", "sources")
# Fields that are told in the manifest and change nothing.
_WORDS = ("license", "note")


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


class Export(Protocol):
    """Writes a checkpoint's weights as every other command takes them.

    Attributes:
      path: the directory that the outcome names.
      exists: whether they are there.
    """

    path: pathlib.Path
    exists: bool

    def write(self, checkpoint: Checkpoint):
        """Writes them, in the process that writes."""


def find_run(workdir: pathlib.Path, *, resume: bool) -> bool:
    """Whether there is a run to go on with.

    Raises:
      UserError: there is, and `resume` is not set.
    """
    begun = any((workdir / FOLDER).glob("[0-9]*"))
    if begun and not resume:
        raise UserError(
            f"{workdir}: holds a run already: pass --resume, or choose another --workdir"
        )
    return begun


def train(training: Training, variables, export: Export, *, final: str) -> Outcome:
    """Runs a training to its end, or until it is asked to stop.

    Args:
      training: what to run; its pipelines and checkpoints are closed.
      variables: to begin with.
      export: of the result.
      final: which checkpoint is the result, 'last' or 'best'.

    Raises:
      UserError: it diverged: the last good weights are exported; or see `Training.run`.
    """
    with contextlib.closing(training.checkpoints):
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


def check_numbers(config, figures: Iterable[str], *, name: str = "config"):
    """Checks the fields that every training has.

    Args:
      config: `batch_size`, `accumulate`, `keep`, `best`, `final`, `held_back`.
      figures: names of what a checkpoint can be chosen by.
      name: what the configuration is called.

    Raises:
      UserError: one of them cannot be.
    """
    devices = jax.device_count()
    if config.accumulate < 1 or config.batch_size < 1:
        raise UserError(f"{name}.batch_size and {name}.accumulate must be positive")
    if config.batch_size % (devices * config.accumulate):
        raise UserError(
            f"{name}.batch_size={config.batch_size}: must be a multiple of {devices} devices x "
            f"{name}.accumulate={config.accumulate}"
        )
    if config.keep < 1:
        raise UserError(f"{name}.keep={config.keep}: must be positive")
    for field, known in (("best", figures), ("final", _FINALS)):
        if config[field] not in known:
            told = f"{name}.{field}={config[field]!r}"
            raise UserError(f"{told}: must be one of {', '.join(known)}")
    if config.final == "best" and not config.held_back:
        raise UserError(f"{name}.final='best' needs scenes to choose by: set {name}.held_back")


def make_training(
    config,
    workdir: pathlib.Path,
    phases: Sequence[Phase],
    sampler: Callable[[Phase], Callable],
    *,
    validation,
    better: str,
    process: int,
    processes: int,
) -> Training:
    """A training as the fields that every one has describe it.

    Args:
      config: those of `check_numbers`, `seed`, `log_every`, `validate_every`, `checkpoint_every`.
      workdir: of the run.
      phases: one after the other.
      sampler: of a phase; see `Pipeline`.
      validation: None for none.
      better: 'up' or 'down': which way the figure `config.best` is better.
      process: this process's index.
      processes: how many there are.
    """
    return Training(
        phases=tuple(phases),
        pipeline=lambda phase: Pipeline(
            sampler(phase),
            batch_size=config.batch_size,
            seed=config.seed,
            process=process,
            processes=processes,
        ),
        batch_size=config.batch_size,
        accumulate=config.accumulate,
        cadence=Cadence(
            log=config.log_every, validate=config.validate_every, checkpoint=config.checkpoint_every
        ),
        checkpoints=Checkpoints(workdir, newest=config.keep, better=better),
        validation=validation,
        best=config.best,
        workdir=workdir,
        writes=process == 0,
        devices=jax.local_devices(),
    )


def settings_of(config) -> dict:
    """What of a config a resumed run must share with the one that began."""
    return {k: v for k, v in as_plain(config).items() if k not in (*_PLACES, *_WORDS)}


def as_plain(config):
    """A config, or a tuple of them, as plain dicts and lists."""
    if isinstance(config, tuple):
        return [as_plain(item) for item in config]
    return json.loads(config.to_json())
