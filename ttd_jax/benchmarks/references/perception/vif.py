"""VIF."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.benchmarks.references.windows import (
    filtered,
    fitting,
    gaussian,
    local_statistics,
)


def vifp(
    reference: np.ndarray, distorted: np.ndarray, border: str = "valid", strict: bool = False
) -> float:
    """Visual information fidelity of one source, in the pixel domain."""
    kept = given = 0.0
    for scale, size in enumerate((17, 9, 5, 3)):
        if scale:
            reference, distorted, window = _framed(reference, distorted, size, border)
            reference = filtered(reference, window)[::2, ::2]
            distorted = filtered(distorted, window)[::2, ::2]
        _, var_r, var_d, cov = local_statistics(*_framed(reference, distorted, size, border))
        var_r, var_d = np.maximum(var_r, 0), np.maximum(var_d, 0)
        gain = cov / (var_r + 1e-10)
        error = var_d - gain * cov
        flat_r, flat_d = var_r < 1e-10, var_d < 1e-10
        gain[flat_r], error[flat_r], var_r[flat_r] = 0, var_d[flat_r], 0
        gain[flat_d], error[flat_d] = 0, 0
        negative = gain < 0
        error[negative], gain[negative] = var_d[negative], 0
        error = np.maximum(error, 1e-10)
        kept += np.sum(np.log10(1 + gain**2 * var_r / (error + 2)))
        given += np.sum(np.log10(1 + var_r / 2))
    if given > 0:
        return kept / given
    return np.nan if strict else 0.0


def visual_information_fidelity(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    border: str = "valid",
    strict: bool = False,
) -> float:
    """Visual information fidelity, summed over the sources."""
    return sum(vifp(source, fused, border, strict) for source in sources)


def _framed(reference, distorted, size, border):
    if border == "valid":
        size = fitting(size, reference)
        return reference, distorted, gaussian(size, size / 5)
    window = np.exp(
        -(np.linspace(-(size + 1) / 2, (size - 1) / 2, size) ** 2) / 2 / (size / 5) ** 2
    )
    return np.pad(reference, size // 2), np.pad(distorted, size // 2), window / window.sum()
