"""MI, NMI."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.benchmarks.references.histograms import (
    entropy_nats,
    joint_probabilities,
    probabilities,
)


def information(first: np.ndarray, second: np.ndarray) -> float:
    """Mutual information of two images, in nats."""
    joint = joint_probabilities(first, second)
    return (
        entropy_nats(joint.sum(axis=1))
        + entropy_nats(joint.sum(axis=0))
        - entropy_nats(joint.ravel())
    )


def mutual_information(fused: np.ndarray, sources: Sequence[np.ndarray]) -> float:
    """Mutual information, in nats."""
    return sum(information(fused, source) for source in sources)


def normalized_mutual_information(fused: np.ndarray, sources: Sequence[np.ndarray]) -> float:
    """Normalized mutual information."""
    total = 0.0
    for source in sources:
        both = entropy_nats(probabilities(fused)) + entropy_nats(probabilities(source))
        total += 2 * information(fused, source) / both if both else 0.0
    return total
