"""What the commands that train do around a training: meeting, interrupts, the outcome told."""

import sys
from collections.abc import Callable
from typing import Any

from absl.flags import FlagValues

from ttd_jax.commands import common
from ttd_jax.commands.meeting import meeting
from ttd_jax.commands.profiling import profiling
from ttd_jax.errors import UserError, explain_missing
from ttd_jax.places import place


def run(values: FlagValues, start: Callable[..., Any]) -> None:
    """Trains; the first process tells the outcome.

    Args:
      values: flags `config`, `workdir`, `resume`, `profile`, `json` and `common.Flags.processes`.
      start: `(config, workdir, *, resume, process, processes) -> Outcome`; it imports what it needs
        when it is called, after the processes have met.

    Raises:
      UserError: something to train with is not installed, the run was interrupted, or `start`
        raised it.
    """
    common.require(values, "workdir")
    workdir = place(values.workdir)
    with meeting(values) as (process, processes):
        common.prepare_to_compute()
        with explain_missing("training", "training"):
            import grain  # noqa: F401
            import optax  # noqa: F401
            import tensorboardX  # noqa: F401
        from ttd_jax.training import stopping

        kept = common.interruptible("the newest checkpoint is")
        with kept, profiling(values, process, processes):
            outcome = start(
                values.config, workdir, resume=values.resume, process=process, processes=processes
            )
    if outcome.reason == stopping.INTERRUPTED:
        raise UserError(f"interrupted after step {outcome.step}: saved: run again with --resume")
    if process == 0:
        _tell(values, outcome, workdir)


def _tell(values, outcome, workdir):
    if outcome.weights is None and not values.json:
        line = f"stopped after step {outcome.step} of {outcome.steps}: saved: --resume goes on"
        common.show(f"ttd-jax: {line}", sys.stderr)
        return
    validations = [r for r in _records(workdir) if r["kind"] == "validation"]
    told = {
        "workdir": str(workdir),
        "step": outcome.step,
        "steps": outcome.steps,
        "weights": outcome.weights and str(outcome.weights),
        "validations": validations,
    }
    lines = [f"{outcome.weights}: trained for {outcome.steps} steps"]
    if validations:
        first, last = validations[0], validations[-1]
        lines.append(f"held-back scenes, step {first['step']} -> step {last['step']}:")
        for name, before in _figures(first).items():
            lines.append(f"  {name:<14}{before:>12.6g} ->{_figures(last)[name]:>12.6g}")
    common.tell(values, told, *lines)


def _figures(record):
    from flax import traverse_util

    flat = traverse_util.flatten_dict(record, sep="/")
    return {name: value for name, value in flat.items() if isinstance(value, float)}


def _records(workdir):
    from ttd_jax.files import read_json_lines
    from ttd_jax.training.logs import LIKE, LINES

    return read_json_lines(workdir / LINES, LIKE)
