"""The loop: batches in, a trained state out, and on the way checkpoints, logs and validations."""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
from flax import traverse_util
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.files import write_whole
from ttd_jax.pictures.images import encode_picture
from ttd_jax.places import on_disk
from ttd_jax.report.progress import progress
from ttd_jax.training import stopping
from ttd_jax.training.checkpointing import Checkpoint, Checkpoints
from ttd_jax.training.folder import RunFolder
from ttd_jax.training.logs import Logs
from ttd_jax.training.phases import Phase
from ttd_jax.training.pipeline import Pipeline, shard
from ttd_jax.training.step import AXIS, make_step
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


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Training:
    """A run of several phases, and what it needs beside them.

    Attributes:
      config: what every training is told: `batch_size`, samples of a step, of all processes;
        `accumulate`, its micro-batches; `seed` of everything that is drawn; how often what happens,
        in steps, 0 for never except at the end of a phase: `log_every` a record in the logs,
        `checkpoint_every` a checkpoint, `validate_every` both scores and a checkpoint; `keep`, how
        many of the newest checkpoints; `best`, the figure that the best one is chosen by; `final`,
        which checkpoint is the result.
      folder: of the run.
      phases: one after the other; each begins with the parameters the last one ended with.
      sampler: of a phase; see `Pipeline`. The samples of all phases have one order: a later one
        goes on where the last one ended.
      validation: None for none.
      merit: of the figure `config.best`: the larger is the better.
    """

    config: Any
    folder: RunFolder
    phases: tuple[Phase, ...]
    sampler: Callable[[Phase], Callable]
    validation: Validation | None
    merit: Callable[[float], float]

    @functools.cached_property
    def checkpoints(self) -> Checkpoints:
        """Those of the run, opened when they are first asked for."""
        return Checkpoints(
            self.folder.path,
            newest=self.config.keep,
            merit=self.merit,
            shared=on_disk(self.folder.place),
        )

    def restore(self, variables: Mapping) -> Checkpoint:
        """Where the run stands: its newest checkpoint, or the beginning with these variables."""
        newest = self.checkpoints.newest
        if newest is None:
            return Checkpoint(0, self.phases[0].begin(variables)[0], 0)
        return self.restore_step(newest, variables)

    def restore_step(self, step: int, variables: Mapping) -> Checkpoint:
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
        writes = self.folder.writes
        logs = Logs(self.folder.path, step=now.step or -1, writes=writes)
        bar = progress(
            total=self.phases[-1].end,
            unit="step",
            initial=now.step,
            disable=None if writes else True,
        )
        reason = stopping.NOT
        try:
            if now.step == 0:
                self._validate(self.phases[0], now, logs)
            for phase in self.phases:
                if now.step < phase.end and not reason:
                    bar.set_description(phase.name)
                    with contextlib.closing(self._pipeline(phase)) as pipeline:
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
                self._save(now)
                raise NotFiniteError(_not_finite(step, figures), now)
            now = Checkpoint(step, state, reached)
            bar.set_postfix(loss=f"{figures['loss']:.4g}", refresh=False)
            bar.update()
            if _due(self.config.log_every, step, phase):
                figures["images_per_second"] = clock.rate(step) * self.config.batch_size
                logs.write("train", step, {"phase": phase.name, **figures})
            figure = None
            if validated := _due(self.config.validate_every, step, phase):
                figure = self._validate(phase, now, logs)
            reason = stop.agreed()
            if validated or reason or _due(self.config.checkpoint_every, step, phase):
                self._save(now, figure)
                clock = _Clock(step)
            if reason:
                return now, reason
        return now, stopping.NOT

    def _save(self, now, figure=None):
        self.checkpoints.save(now, figure)
        self.folder.publish()

    def _pipeline(self, phase):
        """This process's samples for a phase."""
        process, processes = self.folder.share
        return Pipeline(
            self.sampler(phase),
            batch_size=self.config.batch_size,
            seed=self.config.seed,
            process=process,
            processes=processes,
        )

    def _next(self, pipeline):
        """The next batch as the step takes it, and the position behind it."""
        devices, accumulate = jax.local_device_count(), self.config.accumulate
        sharded = shard(next(pipeline), devices=devices, accumulate=accumulate)
        each = NamedSharding(Mesh(jax.local_devices(), (AXIS,)), PartitionSpec(AXIS))
        return jax.device_put(sharded, each), pipeline.position  # copied meanwhile

    def _validate(self, phase, now, logs):
        """Validates; the figure that the best checkpoint is chosen by, None before the last phase.

        Losses of different phases cannot be compared, and only the last one trains the result.
        """
        if self.validation is None:
            return None
        figures, sheet = self.validation.measure(phase.objective, now.state.variables)
        logs.write("validation", now.step, {"phase": phase.name, **figures})
        if self.folder.writes and sheet is not None:
            folder = self.folder.path / SHEETS
            with explain_os_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
                write_whole(folder / f"step-{now.step:08}.png", encode_picture(sheet, ".png"))
            logs.show("validation", now.step, sheet)
        if phase is not self.phases[-1]:
            return None
        return traverse_util.flatten_dict(figures, sep="/")[self.config.best]


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
