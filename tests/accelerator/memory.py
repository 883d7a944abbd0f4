"""What a program was planned to hold, against the peak of the device in a process of its own."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from flax import traverse_util

from tests.accelerator.checks import Check
from ttd_jax.benchmarks.cases import Case
from ttd_jax.benchmarks.memory import measure_apart
from ttd_jax.processes import usable_cpus

_ROOT = pathlib.Path(__file__).parents[2]


def memory_checks(
    cases: Sequence[Case], variables: Mapping[str, dict], plans: Mapping[str, int], cache: str
) -> list[Check]:
    """A check for every case, whose program must be in JAX's cache: compiling takes memory, too."""
    return [
        Check("memory", case.name, functools.partial(_measure, case, variables, plans, cache))
        for case in cases
    ]


def _measure(case, variables, plans, cache):
    weights = pathlib.Path(cache) / f"{case.model}.npz"
    np.savez(weights, **traverse_util.flatten_dict(variables[case.model], sep="/"))
    # The process imports this tree's package, installed or not.
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    task = {
        "case": dataclasses.asdict(case),
        "weights": str(weights),
        "threads": usable_cpus(),
        "side": "jax",
    }
    measured = measure_apart(task, cache=cache)
    return [{"case": case.name, "planned": plans.get(case.name), **measured}]
