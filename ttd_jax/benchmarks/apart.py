"""Runs a module of this package in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping

from ttd_jax.errors import UserError


def run_apart(module: str, task: dict, *, environment: Mapping[str, str], what: str) -> dict:
    """Gives a task to `python -m ttd_jax.benchmarks.MODULE` and waits for its result.

    Args:
      module: its name.
      task: JSON-able.
      environment: variables that it has beside, or in place of, those of this process.
      what: the process, for errors.

    Returns:
      What the module printed as the last line of stdout, which is JSON.

    Raises:
      UserError: the process was killed, or failed.
    """
    finished = subprocess.run(
        # -P: nothing of the folder where one stands is imported.
        [sys.executable, "-P", "-m", f"ttd_jax.benchmarks.{module}"],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    if finished.returncode < 0:
        raise UserError(
            f"{what} was killed (signal {-finished.returncode}): if memory ran out, choose a "
            "smaller --size or --batch"
        )
    if finished.returncode:
        last = (finished.stderr.strip().splitlines() or ["it does not say why"])[-1]
        raise UserError(f"{what} failed: {last}")
    return json.loads(finished.stdout.splitlines()[-1])
