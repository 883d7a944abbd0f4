"""What the processes of a run agree on, and what one may use. A single one agrees with itself."""

import itertools
import json
import os
from collections.abc import Mapping

import jax
import numpy as np

from ttd_jax.errors import UserError

_WEEK = 7 * 24 * 60 * 60 * 1000  # milliseconds
_MEETINGS = itertools.count()  # all processes call alike


def add_up(array: jax.typing.ArrayLike) -> np.ndarray:
    """The sum of every process's array."""
    return _gather(array).sum(axis=0)


def gather_texts(own: Mapping[int, str]) -> dict[int, str]:
    """Every process's texts by their numbers, each of which only one process has a text for."""
    data = json.dumps(own).encode()
    padded = np.zeros(greatest(len(data)), np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    every = (json.loads(row.tobytes().rstrip(b"\0")) for row in _gather(padded))
    return {int(number): text for texts in every for number, text in texts.items()}


def greatest(number: int) -> int:
    """The greatest of every process's numbers."""
    return int(_gather(np.int32(number)).max())


def wait_for_all() -> None:
    """Returns once every process is here, however long that takes."""
    if jax.process_count() == 1:
        return
    # A collective would give up after half an hour on CPUs.
    from jax._src.distributed import global_state  # as orbax does: there is no public name

    global_state.client.wait_at_barrier(f"ttd_jax/{next(_MEETINGS)}", _WEEK)


def find_devices() -> list[jax.Device]:
    """The devices that JAX computes on.

    Raises:
      UserError: there are none of the kind that its environment variables ask for.
    """
    try:
        return jax.devices()
    except (RuntimeError, AssertionError) as error:  # no driver, or a wrong JAX_PLATFORMS
        wanted = {
            name: jax.config.values.get(name.lower())
            for name in ("JAX_PLATFORMS", "JAX_PLATFORM_NAME")
        }
        asked = ", ".join(f"{name}={value}" for name, value in wanted.items() if value)
        reason = " ".join(str(error).split())[:300] or "its driver, or JAX's plug-in, is not here"
        mend = f"unset {asked}, or mend the driver" if asked else "mend the driver"
        raise UserError(f"JAX finds no device: {reason}: {mend}") from error


def usable_cpus() -> int:
    """CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _gather(array):
    if jax.process_count() == 1:
        return np.asarray(array)[None]
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(array))
