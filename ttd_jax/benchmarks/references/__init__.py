"""The metrics in float64 NumPy and SciPy, straight from their definitions.

Written apart from `ttd_jax.metrics`, which is held to these: each function there has one here, in
the file of the same name, that takes the same choices by the same names. One image at a time, loops
over the sources; only integers in 0..255 are accepted.
"""

import functools
import importlib
from collections.abc import Callable, Sequence

import numpy as np

from ttd_jax import metrics


def evaluate(
    fused: np.ndarray,
    sources: np.ndarray | Sequence[np.ndarray],
    protocol: str = "paper",
    names: Sequence[str] | None = None,
) -> dict[str, float]:
    """The metrics of `fused` [H, W] and `sources` [M, H, W]: name -> float."""
    fused = np.asarray(fused, np.float64)
    sources = [np.asarray(source, np.float64) for source in sources]
    for image in (fused, *sources):
        assert np.array_equal(image, np.clip(np.round(image), 0, 255))
    rows = metrics.scored(protocol)
    return {
        name: float(definition(rows[name].function)(fused, sources))
        for name in names or metrics.choose((), protocol)
    }


def definition(function: Callable) -> Callable[[np.ndarray, list[np.ndarray]], float]:
    """The float64 definition of a metric's function, or of a partial one with its choices."""
    choices = function.keywords if isinstance(function, functools.partial) else {}
    function = getattr(function, "func", function)
    path = function.__module__.replace("ttd_jax.metrics", __name__)
    own = getattr(importlib.import_module(path), function.__name__)
    return functools.partial(own, **choices)
