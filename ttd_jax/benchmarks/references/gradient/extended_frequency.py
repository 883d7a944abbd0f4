"""Qsf."""

from collections.abc import Sequence

import numpy as np

_ROOT_HALF = np.sqrt(0.5)


def spatial_frequency_error(fused: np.ndarray, sources: Sequence[np.ndarray]) -> float:
    """Relative excess of the fused picture's spatial frequency, four directions."""
    reference = _frequency([np.max(np.abs(d), axis=0) for d in _differences(np.stack(sources))])
    if reference == 0:
        return np.nan
    return float(_frequency(_differences(fused)) / reference - 1)


def _differences(pictures):
    return [
        pictures[..., :, 1:] - pictures[..., :, :-1],
        pictures[..., 1:, :] - pictures[..., :-1, :],
        pictures[..., 1:, 1:] - pictures[..., :-1, :-1],
        pictures[..., 1:, :-1] - pictures[..., :-1, 1:],
    ]


def _frequency(differences):
    weights = (1, 1, _ROOT_HALF, _ROOT_HALF)
    return np.sqrt(sum(w * np.sum(d**2) for w, d in zip(weights, differences, strict=True)))
