"""TE: mutual information by Tsallis' entropy, in float64 NumPy."""

import itertools
from collections.abc import Sequence

import numpy as np

from ttd_jax.benchmarks.references.information.levels import (
    bits,
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
    """Sum over the sources, or that over what the sources themselves hold."""
    if marginals == "swapped":
        fused, *sources = (stretched(picture) for picture in (fused, *sources))
        if any(np.isnan(picture).any() for picture in (fused, *sources)):
            return np.nan
    total = sum(_shared(source, fused, order, marginals) for source in sources)
    if not normalized:
        return total
    own = sum(bits(probabilities(source)) ** order for source in sources)
    pairs = itertools.combinations(sources, 2)
    own += sum(_shared(first, second, order, marginals) for first, second in pairs)
    return total / own if own else np.nan


def _shared(first, second, order, marginals):
    joint = joint_probabilities(first, second)
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    if marginals == "swapped":
        rows, columns = columns, rows
    product = np.outer(rows, columns)
    kept = product > 0
    power = np.sum(joint[kept] ** order / product[kept] ** (order - 1))
    return (1 - power) / (1 - order)
