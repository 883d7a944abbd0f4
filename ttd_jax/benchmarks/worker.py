"""Measures the peak memory of one case: `python -m ttd_jax.benchmarks.worker < task.json`.

The task says which side to run ('jax' or one of `PEERS`), the case's fields, the file of the
weights and the number of threads. The last line of stdout is the result as JSON. The baseline is
taken when everything is imported and the weights, the scenes and the program are there.
"""

import json
import sys

import jax
import numpy as np
from flax import traverse_util

from ttd_jax.benchmarks import programs
from ttd_jax.benchmarks.cases import Case
from ttd_jax.benchmarks.memory import measure_peak
from ttd_jax.benchmarks.peers import PEERS


def run_task(task: dict) -> dict:
    """See `measure_peak`; with JAX's own figure where its device has memory of its own."""
    case = Case(**{**task["case"], "size": tuple(task["case"]["size"])})
    with np.load(task["weights"]) as file:
        variables = traverse_util.unflatten_dict(dict(file), sep="/")
    if task["side"] in PEERS:
        compiled = task["side"] == "torch-compile"
        run = programs.torch_case(case, variables, threads=task["threads"], compiled=compiled)
        if compiled:
            run()  # compiles
        return measure_peak(run)
    program = programs.compile_case(case, variables)
    result = measure_peak(lambda: jax.block_until_ready(program.run()))
    statistics = jax.devices()[0].memory_stats() or {}
    return {**result, "device_peak": statistics.get("peak_bytes_in_use")}


if __name__ == "__main__":
    print(json.dumps(run_task(json.load(sys.stdin))))
