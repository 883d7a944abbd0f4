"""Times functions side by side, so that a machine whose speed drifts gives a fair ratio."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping

import jax


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds of the runs of one function: median, least and most."""

    median: float
    least: float
    most: float


def interleave(functions: Mapping[str, Callable[[], object]], *, repeats: int) -> dict:
    """Runs every function once unmeasured, then all of them in turn, `repeats` times.

    Args:
      functions: name -> function without arguments; JAX results are waited for.
      repeats: number of measured rounds.

    Returns:
      `{'seconds': {name: Timing fields}, 'ratios': {name: median over the rounds of its time over
      that of the last function}}`.
    """
    for function in functions.values():
        jax.block_until_ready(function())
    rounds = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            jax.block_until_ready(function())
            rounds[name].append(time.perf_counter() - start)
    *_, last = rounds
    return {
        "seconds": {
            name: dataclasses.asdict(Timing(statistics.median(t), min(t), max(t)))
            for name, t in rounds.items()
        },
        "ratios": {
            name: statistics.median(a / b for a, b in zip(t, rounds[last], strict=True))
            for name, t in rounds.items()
        },
    }
