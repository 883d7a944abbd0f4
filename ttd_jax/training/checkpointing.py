"""Checkpoints of a run: everything that it needs to go on as if it had never stopped."""

import contextlib
import dataclasses
import operator
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.files import read_json

FOLDER = "checkpoints"
_FIGURE = "figure"
_MEND = "remove {} and run again with --resume"


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A run between two steps.

    Attributes:
      step: updates made so far, over all phases.
      state: the `TrainState` of the phase; a tree of arrays.
      position: of the pipeline.
    """

    step: int
    state: Any
    position: int


class Checkpoints:
    """The newest few checkpoints of a run and the best one. All processes call alike.

    A checkpoint appears whole or not at all. Arrays are written by the first process, as they are
    the same in all of them, and read by every one.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        *,
        newest: int = 2,
        merit: Callable[[float], float] = operator.neg,
        shared: bool = True,
    ):
        """Opens the checkpoints of a run.

        Args:
          workdir: of the run.
          newest: how many of the newest to keep; the best one is kept as well.
          merit: of the figure of a checkpoint: the larger is the better; see `Metric`.
          shared: whether all processes have the same folder; else only the first one saves, and
            each reads what was in its own when it began.

        Raises:
          UserError: one of them is damaged, or they cannot be written.
        """
        import orbax.checkpoint as ocp
        from orbax.checkpoint.checkpoint_managers import preservation_policy as policies

        self._ocp = ocp

        def figure(found):
            return merit(found[_FIGURE])

        best = policies.BestN(
            get_metric_fn=figure, n=1, reverse=False, keep_checkpoints_without_metrics=False
        )
        self._saves = shared or jax.process_index() == 0
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policies.AnyPreservationPolicy([policies.LatestN(newest), best]),
            best_fn=figure,  # without it no figure is written
            best_mode="max",
            enable_async_checkpointing=False,  # a step that was reported as saved is saved
            cleanup_tmp_directories=True,
            create=shared,  # orbax makes no folder for one process of several
            multiprocessing_options=_processes(ocp, shared),
        )
        for step in sorted((workdir / FOLDER).glob("[0-9]*/")):
            if step.name.isdigit():  # others are what orbax itself has not finished
                _check_whole(step)
        with explain_os_errors(workdir):
            if not shared:
                (workdir / FOLDER).mkdir(parents=True, exist_ok=True)
            self._manager = ocp.CheckpointManager(
                (workdir / FOLDER).absolute(), options=options, item_names=("state", "progress")
            )

    @property
    def newest(self) -> int | None:
        """Step of the newest one."""
        return self._manager.latest_step()

    @property
    def best(self) -> int | None:
        """Step of the one with the best figure, the newest of equals."""
        return self._manager.best_step()

    def save(self, checkpoint: Checkpoint, figure: float | None = None) -> None:
        """Saves a checkpoint, unless there is one of its step.

        Args:
          checkpoint: what to save.
          figure: what the best one is chosen by; None keeps it out of the contest.

        Raises:
          UserError: it cannot be written.
        """
        if not self._saves or checkpoint.step in self._manager.all_steps():
            return
        arguments = self._ocp.args
        content = arguments.Composite(
            state=arguments.PyTreeSave(jax.tree.map(np.asarray, checkpoint.state)),
            progress=arguments.JsonSave({"position": checkpoint.position}),
        )
        metrics = None if figure is None else {_FIGURE: figure}
        mend = "free some space, then run again with --resume"
        with explain_os_errors(self._manager.directory, mend):
            try:
                self._manager.save(checkpoint.step, args=content, metrics=metrics)
            except ValueError as error:  # tensorstore's name for a full disk
                raise OSError(None, str(error).splitlines()[0][:200]) from error

    def restore(self, step: int, like: Any) -> Checkpoint:
        """The checkpoint of `step`; its state structured like the tree `like`.

        Raises:
          UserError: damaged, or of another structure.
        """
        ocp, arguments = self._ocp, self._ocp.args
        as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), like)
        wanted = arguments.Composite(
            state=arguments.PyTreeRestore(like, restore_args=as_numpy),
            progress=arguments.JsonRestore(),
        )
        try:
            found = self._manager.restore(step, args=wanted)
            state = jax.tree.map(_fit, like, found["state"])
            return Checkpoint(step, state, int(found["progress"]["position"]))
        except Exception as error:  # orbax and tensorstore raise a dozen kinds for damaged files
            folder = self._manager.directory / str(step)
            raise UserError(f"{folder}: damaged checkpoint: {_MEND.format(folder)}") from error

    def close(self) -> None:
        """Ends its threads."""
        self._manager.close()


def _processes(ocp, shared):
    """Which processes orbax lets wait for each other."""
    if shared:
        return ocp.options.MultiprocessingOptions()
    process = jax.process_index()
    return ocp.options.MultiprocessingOptions(
        primary_host=process,
        active_processes={process},
        barrier_sync_key_prefix=f"process-{process}",
    )


def _check_whole(folder):
    """Refuses a checkpoint that orbax cannot even list; an empty folder is none, and removed."""
    with contextlib.suppress(OSError):
        folder.rmdir()
    mend = _MEND.format(folder)
    read_json(folder / "metrics" / "metrics", {_FIGURE: float}, mend=mend)
    read_json(folder / "_CHECKPOINT_METADATA", {}, mend=mend)


def _fit(like, found):
    if (like.shape, like.dtype) != (found.shape, found.dtype):
        raise ValueError(f"{found.dtype}{found.shape} in place of {like.dtype}{like.shape}")
    return jax.numpy.asarray(found)
