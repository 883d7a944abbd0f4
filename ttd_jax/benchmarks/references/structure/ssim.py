"""SSIM."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.benchmarks.references.windows import fitting, gaussian, local_statistics


def ssim(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    window: str = "uniform",
    data_range: float = 255.0,
    border: str = "valid",
    over_sources: str = "sum",
) -> float:
    """Structural similarity, summed or averaged over the sources."""
    if border == "edge":
        fused, *sources = (np.pad(image, 5, mode="edge") for image in (fused, *sources))
    if window == "gaussian":
        taps, unbiased = gaussian(fitting(11, fused), 1.5), 1.0
    else:
        size = fitting(7, fused)
        taps, unbiased = np.full(size, 1 / size), size**2 / max(size**2 - 1, 1)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    total = 0.0
    for source in sources:
        (mean_f, mean_x), var_f, var_x, cov = local_statistics(fused, source, taps)
        total += np.mean(
            (2 * mean_f * mean_x + c1)
            * (2 * unbiased * cov + c2)
            / ((mean_f**2 + mean_x**2 + c1) * (unbiased * (var_f + var_x) + c2))
        )
    return total if over_sources == "sum" else total / len(sources)
