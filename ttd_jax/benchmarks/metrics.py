"""The metrics against their float64 NumPy and SciPy reference, all together and one by one."""

from collections.abc import Sequence

import jax
import numpy as np

from ttd_jax import metrics
from ttd_jax.benchmarks.peers import import_peer
from ttd_jax.benchmarks.timing import interleave
from ttd_jax.parts import program_bytes


def benchmark_metrics(
    *, size: tuple[int, int], names: Sequence[str], protocol: str, repeats: int
) -> dict[str, dict]:
    """Times one picture with two sources.

    Args:
      size: (H, W).
      names: the metrics.
      protocol: of them.
      repeats: rounds.

    Returns:
      See `interleave`. Peers: 'separable', the reference with windows applied axis by axis, and
      'reference', with windows as the definitions and the usual public code write them, in two
      dimensions; ratios are to the latter. And `each`: metric -> the same of it alone beside the
      separable reference, with `bytes`, what XLA plans for a run.
    """
    reference, windows = import_peer("references"), import_peer("references.windows")
    fused, sources = _draw(size)
    on_device = jax.device_put((fused.astype(np.float32), sources.astype(np.float32)))

    def separable(chosen=names):
        return reference.evaluate(fused, sources, protocol, chosen)

    def two_dimensional():
        token = windows.two_dimensional.set(True)
        try:
            return separable()
        finally:
            windows.two_dimensional.reset(token)

    def ours(*arrays, chosen=names):
        return metrics.evaluate(*arrays, protocol=protocol, names=chosen)

    together = {"jax": lambda: ours(*on_device), "separable": separable}
    found = interleave({**together, "reference": two_dimensional}, repeats=repeats)
    each = {}
    for name in names:
        program = jax.jit(lambda *arrays, own=(name,): ours(*arrays, chosen=own))
        compiled = program.lower(*on_device).compile()
        pair = {
            "jax": lambda run=compiled: run(*on_device),
            "reference": lambda own=(name,): separable(own),
        }
        each[name] = {**interleave(pair, repeats=repeats), "bytes": program_bytes(compiled)}
    return {**found, "each": each}


def _draw(size):
    """Smooth noise in whole grays: histograms and edges as full as a photograph's."""
    noise = np.random.default_rng(0).normal(size=(2, *size)).cumsum(axis=1).cumsum(axis=2)
    low = noise.min(axis=(1, 2), keepdims=True)
    spans = np.maximum(np.ptp(noise, axis=(1, 2), keepdims=True), np.finfo(float).tiny)  # 1x1 has 0
    sources = np.rint(255 * (noise - low) / spans)
    return np.rint(sources.mean(axis=0)), sources
