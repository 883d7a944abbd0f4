"""What every training does around its loop: begins or goes on, stops, and writes its weights."""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterable, Mapping

import jax
from ml_collections import ConfigDict

from ttd_jax import fields
from ttd_jax.errors import UserError, check_choice, explain_exhausted
from ttd_jax.processes import wait_for_all
from ttd_jax.training import stopping
from ttd_jax.training.loop import NotFiniteError, Training

# Fields of the config of every training.
RUN_FIELDS = {
    "seed": fields.whole(),
    "batch_size": fields.whole(least=1),
    "accumulate": fields.whole(least=1),
    "phases": fields.several(fields.mapping(), "phases", least=1),
    "log_every": fields.whole(),
    "checkpoint_every": fields.whole(),
    "keep": fields.whole(least=1),
    "held_back": fields.whole(),
    "validate_every": fields.whole(),
    "best": fields.text,
    "final": fields.one_of(("last", "best")),
}
# Fields of a config that say where something lies, the hash of which is kept instead; and those
# that are told in the manifest and change nothing.
_LEFT_OUT = ("weights", "classifier", "data_dir", "sources", "license", "note")


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


def train(
    training: Training, variables: Mapping, settings: dict, name: str, save: Callable
) -> Outcome:
    """Runs a training to its end, or until it is asked to stop.

    Args:
      training: what to run; its checkpoints are closed.
      variables: to begin with.
      settings: of the run, told in the manifest of the weights.
      name: of the directory of the trained weights, in the folder of the run.
      save: `(path, variables, origin)`: writes trained weights to that directory, in the process
        that writes; `origin` is what the manifest tells of the training.

    Raises:
      UserError: it diverged: the last good weights are saved; memory runs out; or see
        `Training.run`.
    """
    weights, steps = training.folder.place / name, training.phases[-1].end

    def export(checkpoint):
        if training.folder.writes:
            origin = {**settings, "step": checkpoint.step}
            save(weights, jax.device_get(checkpoint.state.variables), origin)

    with contextlib.closing(training.checkpoints):
        now, reason = training.restore(variables), stopping.NOT
        try:
            if now.step < steps:
                less = "lower batch_size, or raise accumulate, in the configuration"
                with stopping.Stop() as stop, explain_exhausted("training", less):
                    now, reason = training.run(now, stop)
        except NotFiniteError as error:
            export(error.last)
            wait_for_all()  # or those that write nothing would end the one that does
            raise UserError(
                f"{error}: the weights before it are in {weights}: lower learning_rate or set "
                "clip_norm, and begin with them in another --workdir"
            ) from error
        if now.step < steps:
            return Outcome(now.step, steps, reason, None)
        if training.config.final == "best" and training.checkpoints.best is not None:
            now = training.restore_step(training.checkpoints.best, variables)
        export(now)  # of a finished run once more: they may be damaged, or their note another
        return Outcome(steps, steps, stopping.NOT, weights)


def check_numbers(config: ConfigDict, figures: Iterable[str], *, name: str = "config") -> None:
    """Checks fields that every training has against each other and against the devices.

    Args:
      config: with `RUN_FIELDS`, checked.
      figures: names of what a checkpoint can be chosen by.
      name: what the configuration is called.

    Raises:
      UserError: one of them cannot be.
    """
    devices = jax.device_count()
    if config.batch_size % (devices * config.accumulate):
        raise UserError(
            f"{name}.batch_size={config.batch_size}: must be a multiple of {devices} devices x "
            f"{name}.accumulate={config.accumulate}"
        )
    check_choice(f"{name}.best", config.best, figures)
    if config.final == "best" and not config.held_back:
        raise UserError(f"{name}.final='best' needs scenes to choose by: set {name}.held_back")


def settings_of(config: ConfigDict) -> dict:
    """What of a config a resumed run must share with the one that began."""
    return {k: v for k, v in as_plain(config).items() if k not in _LEFT_OUT}


def as_plain(config: ConfigDict | tuple) -> dict | list:
    """A config, or a tuple of them, as plain dicts and lists."""
    if isinstance(config, tuple):
        return [as_plain(item) for item in config]
    return json.loads(ConfigDict(config).to_json())
