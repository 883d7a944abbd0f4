"""How far the float32 metrics lie from float64, and from the programs that protocols are held to.

python -m tests.metrics.calibration [path of the shared data] > calibration.md
"""

import os
import pathlib
import sys

import numpy as np

from tests.metrics import golden, pictures
from tests.metrics.definitions import distinct
from tests.metrics.test_programs import LEAST, TOLERANCE, exception
from ttd_jax import metrics
from ttd_jax.benchmarks import references as reference


def measure(scenes):
    """Largest relative difference: (protocol, metric) -> float.

    A protocol has those of its definitions that no other before it has.
    """
    worst = {}
    for _, fused, sources in scenes:
        for protocol in metrics.PROTOCOLS:
            names = distinct(protocol)
            figures = metrics.evaluate(fused, sources, protocol=protocol, names=names)
            expected = reference.evaluate(fused, sources, protocol, names)
            for name in names:
                error = relative_difference(float(figures[name]), expected[name])
                worst[protocol, name] = max(worst.get((protocol, name), 0.0), error)
    return worst


def relative_difference(figure, expected):
    if figure == expected:
        return 0.0
    error = abs(figure - expected) / max(abs(expected), np.finfo(np.float32).tiny)
    return float(error) if np.isfinite(figure) else np.inf  # NaN must not pass for the smallest


def markdown(worst, count):
    """The calibration table."""
    lines = [
        f"Largest relative difference from float64 over {count} real scenes",
        "",
        "| metric | protocol | definition | difference | tolerance |",
        "|---|---|---|---|---|",
    ]
    for (protocol, name), error in sorted(worst.items(), key=lambda one: one[0][1]):
        row = metrics.scored(protocol)[name]
        tolerance = metrics.METRICS[name].tolerance
        lines.append(f"| {name} | `{protocol}` | {row.definition} | {error:.1e} | {tolerance:g} |")
    return "\n".join(lines)


def programs(shared):
    """The table of the protocols: what each metric is held to, and how far it is from that."""
    cases, values = golden.read(shared)
    lines = ["| protocol | metric | definition | held to | difference |", "|---|---|---|---|---|"]
    for protocol in metrics.PROTOCOLS:
        for name, row in metrics.scored(protocol).items():
            if row.program:
                worst = max(
                    relative_difference(golden.figure(protocol, name, cases[case]), expected)
                    for case, expected in values[row.program, name].items()
                    if np.isfinite(expected)
                    and abs(expected) > LEAST
                    and exception(protocol, name, case) == TOLERANCE
                )
                told = f"| `{protocol}` | {name} | {row.definition} | {row.program} "
                lines.append(f"{told}| {worst:.0e} |")
    return "\n".join(lines)


if __name__ == "__main__":
    root = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("TTD_JAX_SHARED", "../shared")
    scenes = pictures.real_scenes(pathlib.Path(root))
    print(markdown(measure(scenes), len(scenes)))
    print()
    print(programs(pathlib.Path(root)))
