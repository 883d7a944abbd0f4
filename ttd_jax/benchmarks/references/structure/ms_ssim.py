"""MS-SSIM: structural similarity over five scales."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.benchmarks.references.structure.mef_ssim import halved
from ttd_jax.benchmarks.references.windows import moments, named

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def multiscale_similarity(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    data_range: float = 255.0,
    beside: str = "edge",
) -> float:
    """MS-SSIM, summed over the sources."""
    total = sum(_one(fused, source, data_range, beside) for source in sources)
    return float(total)


def _one(first, second, data_range, beside):
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    product = 1.0
    for scale, power in enumerate(WEIGHTS):
        if scale:
            halve = halved if beside == "edge" else _halved_in_black
            first, second = halve(first), halve(second)
        (mean_f, mean_s), (var_f, var_s), (cov,) = moments(
            [first, second], [(0, 1)], named("gaussian 11/1.5", first)
        )
        terms = (2 * cov + c2) / (var_f + var_s + c2)
        if scale == len(WEIGHTS) - 1:
            terms = terms * (2 * mean_f * mean_s + c1) / (mean_f**2 + mean_s**2 + c1)
        product *= max(terms.mean(), 0.0) ** power
    return product


def _halved_in_black(picture):
    """An odd side gets a row of zeros in front."""
    return halved(np.pad(picture, [(side % 2, 0) for side in picture.shape]))
