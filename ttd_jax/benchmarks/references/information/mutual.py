"""MI, NMI."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.benchmarks.references.histograms import (
    entropy_nats,
    joint_probabilities,
    probabilities,
    stretched,
)


def information(first: np.ndarray, second: np.ndarray, saturated: bool = False) -> float:
    """Mutual information of two images, in nats; see `mutual_information`."""
    joint = joint_probabilities(first, second)
    own = entropy_nats(joint.sum(axis=1)) + entropy_nats(joint.sum(axis=0))
    if saturated:
        joint = joint_probabilities(np.minimum(first, 254), np.minimum(second, 254))
    return own - entropy_nats(joint.ravel())


def mutual_information(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    unit: str = "nats",
    saturated: bool = False,
) -> float:
    """Mutual information."""
    shared = sum(information(fused, source, saturated) for source in sources)
    return shared / np.log(2) if unit == "bits" else shared


def normalized_mutual_information(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    over: str = "pairs",
    stretch: bool = False,
) -> float:
    """Normalized mutual information."""
    if stretch:
        fused, *sources = (stretched(image) for image in (fused, *sources))
        if np.isnan([fused, *sources]).any():
            return np.nan
    if over == "sources":
        own = sum(entropy_nats(probabilities(source)) for source in sources)
        return 2 * mutual_information(fused, sources) / own if own else 0.0
    total = 0.0
    for source in sources:
        both = entropy_nats(probabilities(fused)) + entropy_nats(probabilities(source))
        if both:
            total += 2 * information(fused, source) / both
        elif stretch:
            return np.nan
    return total
