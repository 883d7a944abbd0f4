"""EN, CE."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.benchmarks.references.histograms import entropy_nats, probabilities


def entropy(fused: np.ndarray, sources: Sequence[np.ndarray]) -> float:
    """Entropy, in bits."""
    return entropy_nats(probabilities(fused)) / np.log(2)


def cross_entropy(
    fused: np.ndarray, sources: Sequence[np.ndarray], *, form: str = "codes"
) -> float:
    """Cross entropy."""
    q = probabilities(fused)
    values = []
    for source in sources:
        p = probabilities(source)
        if form == "divergence":
            both = (p > 0) & (q > 0)
            values.append(np.sum(p[both] * np.log2(p[both] / q[both])))
        else:
            values.append(-np.sum(p * np.log2(q + 1e-7)))
    return np.mean(values) if form == "divergence" else np.sqrt(np.mean(np.square(values)))
