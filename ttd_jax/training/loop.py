"""The loop: batches in, a trained state out, and on the way checkpoints, logs and validations."""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Callable, Sequence

import jax

from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.pictures.images import encode_picture
from ttd_jax.report.progress import progress
from ttd_jax.training import stopping
from ttd_jax.training.checkpointing import Checkpoint, Checkpoints
from ttd_jax.training.logs import Logs, flatten
from ttd_jax.training.phases import Phase
from ttd_jax.training.pipeline import Pipeline, deal
from ttd_jax.training.step import make_step
from ttd_jax.training.validation import Validation

SHEETS = "sheets"


class NotFiniteError(UserError):
    """The loss or the gradient of a step was NaN or infinite.

    Attributes:
      last: the checkpoint before that step; it is saved.
    """

    def __init__(self, message: str, last: Checkpoint):
        super().__init__(message)
        self.last = last


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cadence:
    """How often what happens, in steps; 0 for never, except at the end of a phase.

    Attributes:
      log: a record in the logs.
      validate: held-back scenes are scored, and a checkpoint is saved.
      checkpoint: a checkpoint is saved.
    """

    log: int = 10
    validate: int = 500
    checkpoint: int = 500


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Training:
    """A run of several phases, and what it needs beside them.

    Attributes:
      phases: one after the other; each begins with the parameters the last one ended with.
      pipeline: makes the pipeline of this process's samples for a phase. Those of all phases have
        one order: a later one goes on where the last one ended.
      batch_size: samples of a step, of all processes.
      accumulate: micro-batches of a step.
      cadence: how often what happens.
      checkpoints: of the run.
      validation: None for none.
      best: the figure that the best checkpoint is chosen by; see `figure_names`.
      workdir: for the logs and the sheets.
      writes: whether this process is the one that writes them.
      devices: of this process.
    """

    phases: tuple[Phase, ...]
    pipeline: Callable[[Phase], Pipeline]
    batch_size: int
    accumulate: int
    cadence: Cadence
    checkpoints: Checkpoints
    validation: Validation | None
    best: str
    workdir: pathlib.Path
    writes: bool
    devices: Sequence

    def restore(self, variables) -> Checkpoint:
        """Where the run stands: its newest checkpoint, or the beginning with these variables."""
        newest = self.checkpoints.newest
        if newest is None:
            return Checkpoint(0, self.phases[0].begin(variables)[0], 0)
        return self.restore_step(newest, variables)

    def restore_step(self, step: int, variables) -> Checkpoint:
        """The checkpoint of `step`; `variables` are any of the network."""
        phase = next(phase for phase in self.phases if step <= phase.end)
        return self.checkpoints.restore(step, phase.begin(variables)[0])

    def run(self, now: Checkpoint, stop: stopping.Stop) -> tuple[Checkpoint, int]:
        """Trains until the last phase is over or the run is asked to stop.

        Args:
          now: where to begin, from `restore`.
          stop: asked after every step.

        Returns:
          `(checkpoint, reason)`: where the run stands, saved, and NOT, TERMINATED or INTERRUPTED.

        Raises:
          NotFiniteError: the training diverged.
          UserError: an unreadable picture, a full disk.
        """
        logs = Logs(self.workdir, step=now.step or -1, writes=self.writes)
        bar = progress(
            total=self.phases[-1].end * self.batch_size,
            unit="image",
            initial=now.step * self.batch_size,
            disable=None if self.writes else True,
        )
        reason = stopping.NOT
        try:
            if now.step == 0:
                self._validate(self.phases[0], now, logs)
            for phase in self.phases:
                if now.step < phase.end and not reason:
                    bar.set_description(phase.name)
                    with contextlib.closing(self.pipeline(phase)) as pipeline:
                        pipeline.seek(now.position)
                        now, reason = self._run_phase(phase, pipeline, now, stop, bar, logs)
        finally:
            bar.close()
            logs.close()
        return now, reason

    def _run_phase(self, phase, pipeline, now, stop, bar, logs):
        fresh, optimizer = phase.begin(now.state.variables)
        if now.step == phase.start:
            now = dataclasses.replace(now, state=fresh)
        program = make_step(phase.objective, optimizer)
        clock = _Clock(now.step)
        batch, position = self._next(pipeline)
        while now.step < phase.end:
            step = now.step + 1
            state, metrics = program(now.state, batch)  # returns at once
            reached = position
            if step < phase.end:
                batch, position = self._next(pipeline)  # while the devices work
            figures = {name: value.item() for name, value in jax.device_get(metrics).items()}
            if not figures.pop("finite"):
                self.checkpoints.save(now)
                raise NotFiniteError(_not_finite(step, figures), now)
            now = Checkpoint(step, state, reached)
            bar.set_postfix(loss=f"{figures['loss']:.4g}", refresh=False)
            bar.update(self.batch_size)
            if _due(self.cadence.log, step, phase):
                figures["images_per_second"] = clock.rate(step) * self.batch_size
                logs.write("train", step, {"phase": phase.name, **figures})
            figure = None
            if validated := _due(self.cadence.validate, step, phase):
                figure = self._validate(phase, now, logs)
            reason = stop.agreed()
            if validated or reason or _due(self.cadence.checkpoint, step, phase):
                self.checkpoints.save(now, figure)
                clock = _Clock(step)
            if reason:
                return now, reason
        return now, stopping.NOT

    def _next(self, pipeline):
        """The next batch as the step takes it, and the position behind it."""
        batch = next(pipeline)
        dealt = deal(batch, devices=len(self.devices), accumulate=self.accumulate)
        return dealt, pipeline.position

    def _validate(self, phase, now, logs):
        """Validates; the figure that the best checkpoint is chosen by, None before the last phase.

        Losses of different phases cannot be compared, and only the last one trains the result.
        """
        if self.validation is None:
            return None
        figures, sheet = self.validation.measure(phase.objective, now.state.variables)
        logs.write("validation", now.step, {"phase": phase.name, **figures})
        if self.writes and sheet is not None:
            folder = self.workdir / SHEETS
            with explain_os_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"step-{now.step:08}.png").write_bytes(encode_picture(sheet, ".png"))
            logs.show("validation", now.step, sheet)
        return dict(flatten(figures))[self.best] if phase is self.phases[-1] else None


class _Clock:
    """Steps per second since it was last asked."""

    def __init__(self, step):
        self._step, self._time = step, time.perf_counter()

    def rate(self, step):
        now = time.perf_counter()
        rate = (step - self._step) / (now - self._time)
        self._step, self._time = step, now
        return rate


def _due(every, step, phase):
    return step == phase.end or (every > 0 and step % every == 0)


def _not_finite(step, figures):
    told = ", ".join(f"{n} {figures[n]:.4g}" for n in ("loss", "grad_norm", "learning_rate"))
    return f"step {step}: the loss or its gradient is not finite ({told})"
