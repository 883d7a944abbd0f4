"""The metrics against their float64 NumPy and SciPy reference."""

import jax
import numpy as np

from ttd_jax import metrics
from ttd_jax.benchmarks.peers import import_peer
from ttd_jax.benchmarks.timing import interleave


def benchmark_metrics(*, size: tuple[int, int], repeats: int) -> dict[str, dict]:
    """Times one picture with two sources.

    Args:
      size: (H, W).
      repeats: rounds.

    Returns:
      See `interleave`. Peers: 'separable', the reference with windows applied axis by axis, and
      'reference', with windows as the definitions and the usual public code write them, in two
      dimensions; ratios are to the latter.
    """
    reference, windows = import_peer("references"), import_peer("references.windows")
    generator = np.random.default_rng(0)
    # Smooth noise in whole grays: histograms and edges as full as a photograph's.
    noise = generator.normal(size=(2, *size)).cumsum(axis=1).cumsum(axis=2)
    low = noise.min(axis=(1, 2), keepdims=True)
    spans = np.maximum(np.ptp(noise, axis=(1, 2), keepdims=True), np.finfo(float).tiny)  # 1x1 has 0
    sources = np.rint(255 * (noise - low) / spans)
    fused = np.rint(sources.mean(axis=0))
    on_device = jax.device_put((fused.astype(np.float32), sources.astype(np.float32)))

    def two_dimensional():
        token = windows.two_dimensional.set(True)
        try:
            return reference.evaluate(fused, sources)
        finally:
            windows.two_dimensional.reset(token)

    return interleave(
        {
            "jax": lambda: metrics.evaluate(*on_device),
            "separable": lambda: reference.evaluate(fused, sources),
            "reference": two_dimensional,
        },
        repeats=repeats,
    )
