"""Times functions side by side, so that a machine whose speed drifts gives a fair ratio."""

import dataclasses
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import jax

from ttd_jax.processes import usable_cpus
from ttd_jax.report.progress import progress


@dataclasses.dataclass(frozen=True)
class Rounds:
    """Measured rounds of several functions: name -> a number each round.

    Attributes:
      wall: seconds that passed.
      cpu: seconds that all CPUs together worked on it: what a busy machine disturbs least.
    """

    wall: dict[str, list[float]]
    cpu: dict[str, list[float]]


def time_rounds(
    functions: Mapping[str, Callable[[], object]],
    *,
    repeats: int,
    advance: Callable[[], object] = lambda: None,
) -> Rounds:
    """Runs every function once unmeasured, then all of them in turn, `repeats` times.

    Args:
      functions: name -> function without arguments; JAX results are waited for.
      repeats: number of measured rounds.
      advance: called after every run, for a progress bar.
    """
    for function in functions.values():
        jax.block_until_ready(function())
        advance()
    rounds = Rounds({name: [] for name in functions}, {name: [] for name in functions})
    for _ in range(repeats):
        for name, function in functions.items():
            start, worked = time.perf_counter(), time.process_time()
            jax.block_until_ready(function())
            rounds.wall[name].append(time.perf_counter() - start)
            rounds.cpu[name].append(time.process_time() - worked)
            advance()
    return rounds


def machine() -> dict[str, str | int | float | None]:
    """What times depend on: JAX's platform and device, usable CPUs and how busy they are."""
    device = jax.devices()[0]
    return {
        "platform": device.platform,
        "device": device.device_kind,
        "cpus": usable_cpus(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def summarize(seconds: Sequence[float]) -> dict[str, float]:
    """`median`, `least` and `most` of the seconds of one function's runs."""
    return {"median": statistics.median(seconds), "least": min(seconds), "most": max(seconds)}


def median_ratio(seconds: Sequence[float], yardstick: Sequence[float]) -> float:
    """Median over the rounds of one function's time over another's in the same round."""
    return statistics.median(a / b for a, b in zip(seconds, yardstick, strict=True))


def interleave(functions: Mapping[str, Callable[[], object]], *, repeats: int) -> dict:
    """Times functions in turn, see `time_rounds`; the last is the yardstick.

    Returns:
      `{'seconds': {name: see `summarize`}, 'ratios': {name: median over the rounds of its time over
      that of the last function}}`.
    """
    total = (1 + repeats) * len(functions)
    with progress(total=total, description="benchmark", unit="run") as bar:
        rounds = time_rounds(functions, repeats=repeats, advance=bar.update).wall
    *_, last = rounds
    return {
        "seconds": {name: summarize(times) for name, times in rounds.items()},
        "ratios": {name: median_ratio(times, rounds[last]) for name, times in rounds.items()},
    }
