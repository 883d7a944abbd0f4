"""Peak memory of a case, measured in a fresh process for each: a peak never falls again."""

import ctypes
import pathlib
import resource
import sys
from collections.abc import Callable

from ttd_jax.benchmarks.apart import run_apart
from ttd_jax.parts.memory import read_proc

_LEAST = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


def resident(field: str) -> int:
    """Bytes of this process: 'VmRSS', what is resident now, or 'VmHWM', its peak.

    Where there is no /proc both are the peak that the system tells.
    """
    # Not `ru_maxrss` on Linux: a child's starts at the size of the process that started it.
    unit = 1 if sys.platform == "darwin" else 1024
    most = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return read_proc("self/status", field) or most


def measure_peak(function: Callable[[], object]) -> dict[str, int]:
    """Runs `function` twice; what that takes above what was resident before.

    Returns:
      `{'baseline', 'peak'}` in bytes; the peak is above the baseline.
    """
    # What compiling left in the allocator would be taken again unseen; glibc's gives it back.
    getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: None)(0)
    try:  # forgets the peak of what went before, on Linux
        pathlib.Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        baseline = resident("VmHWM")
    else:
        baseline = resident("VmRSS")
    for _ in range(2):
        function()
    return {"baseline": baseline, "peak": max(0, resident("VmHWM") - baseline)}


def measure_apart(task: dict, *, cache: str) -> dict:
    """Runs `ttd_jax.benchmarks.worker` on a task; see there.

    Args:
      task: JSON-able.
      cache: folder of JAX's compilation cache, which holds the program already: compiling it takes
        memory that running it does not.

    Raises:
      UserError: the process was killed.
    """
    return run_apart(
        "worker",
        task,
        environment={"JAX_COMPILATION_CACHE_DIR": cache, _LEAST: "0"},
        what="the process that measures memory",
    )
