"""TE."""

import itertools
from collections.abc import Sequence

import numpy as np

from ttd_jax.benchmarks.references.histograms import (
    entropy_nats,
    joint_probabilities,
    probabilities,
    stretched,
)


def tsallis_information(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    order: float = 1.85,
    marginals: str = "own",
    normalized: bool = False,
) -> float:
    """Mutual information by Tsallis' entropy; normalized by what the sources hold."""
    if marginals == "swapped":
        fused, *sources = (stretched(picture) for picture in (fused, *sources))
        if any(np.isnan(picture).any() for picture in (fused, *sources)):
            return np.nan
    total = sum(shared(source, fused, order, marginals) for source in sources)
    if not normalized:
        return total
    own = sum((entropy_nats(probabilities(source)) / np.log(2)) ** order for source in sources)
    pairs = itertools.combinations(sources, 2)
    own += sum(shared(first, second, order, marginals) for first, second in pairs)
    return total / own if own else np.nan


def shared(first: np.ndarray, second: np.ndarray, order: float, marginals: str) -> float:
    """T of two images."""
    joint = joint_probabilities(first, second)
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    if marginals == "swapped":
        rows, columns = columns, rows
    product = np.outer(rows, columns)
    kept = product > 0
    return (1 - np.sum(joint[kept] ** order / product[kept] ** (order - 1))) / (1 - order)
