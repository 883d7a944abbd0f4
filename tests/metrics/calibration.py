"""How far the float32 metrics lie from the float64 definitions on real images.

python -m tests.metrics.calibration [path of the shared data] > calibration.md
"""

import os
import sys

import numpy as np

from tests.metrics import pictures
from tests.metrics.definitions import distinct
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


if __name__ == "__main__":
    import pathlib

    root = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("TTD_JAX_SHARED", "../shared")
    scenes = pictures.real_scenes(pathlib.Path(root))
    print(markdown(measure(scenes), len(scenes)))
