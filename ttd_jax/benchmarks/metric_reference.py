"""The fifteen metrics in float64 NumPy and SciPy, straight from their definitions.

Written apart from `ttd_jax.metrics`, which is held to these. One image at a time, loops over the
sources; only integers in 0..255 are accepted. Every metric takes `(fused [H, W], sources [M, H, W],
protocol)`.
"""

import contextvars
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

# Whether windows are applied as the definitions write them; separably is the same and much faster.
two_dimensional = contextvars.ContextVar("two_dimensional", default=False)


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
    return {name: float(METRICS[name](fused, sources, protocol)) for name in names or METRICS}


def probabilities(image: np.ndarray) -> np.ndarray:
    """Of each gray, [256]."""
    return np.bincount(image.astype(int).ravel(), minlength=256) / image.size


def joint_probabilities(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of each pair of grays, [256, 256]."""
    edges = np.arange(257) - 0.5
    return np.histogram2d(first.ravel(), second.ravel(), bins=(edges, edges))[0] / first.size


def entropy_nats(p: np.ndarray) -> float:
    """Entropy of probabilities; zeros count for nothing."""
    p = p[p > 0]
    return np.sum(p * np.log(1 / p))


def en(fused: np.ndarray, sources: Sequence[np.ndarray], protocol: str) -> float:
    """Entropy, in bits."""
    return entropy_nats(probabilities(fused)) / np.log(2)


def sd(fused: np.ndarray, sources: Sequence[np.ndarray], protocol: str) -> float:
    """Standard deviation."""
    return np.std(fused)


def ag(fused: np.ndarray, sources: Sequence[np.ndarray], protocol: str) -> float:
    """Average gradient."""
    squares = np.zeros(fused.shape)
    for axis in (0, 1):
        if fused.shape[axis] > 1:
            squares += np.gradient(fused, axis=axis) ** 2
    total = np.sum(np.sqrt(squares / 2))
    if protocol == "vifb":
        return total / np.prod([max(side - 1, 1) for side in fused.shape])
    return total / fused.size


def sobel(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both derivatives by Sobel's kernels, borders repeated."""
    return ndimage.sobel(image, 1, mode="nearest"), ndimage.sobel(image, 0, mode="nearest")


def ei(fused: np.ndarray, sources: Sequence[np.ndarray], protocol: str) -> float:
    """Edge intensity."""
    raw = np.mean(np.hypot(*sobel(fused)))
    return raw if protocol == "vifb" else raw / 4


def sf(fused: np.ndarray, sources: Sequence[np.ndarray], protocol: str) -> float:
    """Spatial frequency."""
    total = 0.0
    for axis in (0, 1):
        squares = np.diff(fused, axis=axis) ** 2
        if squares.size:
            total += squares.sum() / fused.size if protocol == "vifb" else squares.mean()
    return np.sqrt(total)


def corr(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of two images; 0 where one of them is constant."""
    if first.std() < 1e-6 or second.std() < 1e-6:
        return 0.0
    return np.corrcoef(first.ravel(), second.ravel())[0, 1]


def scd(fused: np.ndarray, sources: list[np.ndarray], protocol: str) -> float:
    """Sum of the correlations of differences."""
    total = 0.0
    for m, source in enumerate(sources):
        others = sources[:m] + sources[m + 1 :]
        total += corr(fused - np.mean(others, axis=0) if others else fused, source)
    return total


def ce(fused: np.ndarray, sources: Sequence[np.ndarray], protocol: str) -> float:
    """Cross entropy."""
    q = probabilities(fused)
    values = []
    for source in sources:
        p = probabilities(source)
        if protocol == "vifb":
            both = (p > 0) & (q > 0)
            values.append(np.sum(p[both] * np.log2(p[both] / q[both])))
        else:
            values.append(-np.sum(p * np.log2(q + 1e-7)))
    return np.mean(values) if protocol == "vifb" else np.sqrt(np.mean(np.square(values)))


def information(first: np.ndarray, second: np.ndarray) -> float:
    """Mutual information of two images, in nats."""
    joint = joint_probabilities(first, second)
    return (
        entropy_nats(joint.sum(axis=1))
        + entropy_nats(joint.sum(axis=0))
        - entropy_nats(joint.ravel())
    )


def mi(fused: np.ndarray, sources: Sequence[np.ndarray], protocol: str) -> float:
    """Mutual information, in nats."""
    return sum(information(fused, source) for source in sources)


def nmi(fused: np.ndarray, sources: Sequence[np.ndarray], protocol: str) -> float:
    """Normalized mutual information."""
    total = 0.0
    for source in sources:
        both = entropy_nats(probabilities(fused)) + entropy_nats(probabilities(source))
        total += 2 * information(fused, source) / both if both else 0.0
    return total


def fitting(size: int, image: np.ndarray) -> int:
    """The largest side of a window, of the parity of `size`, that the image has room for."""
    while size > min(image.shape):
        size -= 2
    return size


def gaussian(size: int, sigma: float) -> np.ndarray:
    """The window's factor along either axis."""
    window = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
    return window / window.sum()


def filtered(image: np.ndarray, window: np.ndarray) -> np.ndarray:
    """'valid' correlation with the outer product of the window with itself."""
    margin = len(window) // 2
    if two_dimensional.get():
        image = ndimage.correlate(image, np.outer(window, window), mode="constant")
    else:
        for axis in (0, 1):
            image = ndimage.correlate1d(image, window, axis=axis, mode="constant")
    inside = slice(margin, -margin or None)
    return image[inside, inside]


def local_statistics(
    first: np.ndarray, second: np.ndarray, window: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Both means, both variances and the covariance under a window."""
    means = filtered(first, window), filtered(second, window)
    return (
        means,
        filtered(first * first, window) - means[0] ** 2,
        filtered(second * second, window) - means[1] ** 2,
        filtered(first * second, window) - means[0] * means[1],
    )


def ssim(fused: np.ndarray, sources: Sequence[np.ndarray], protocol: str) -> float:
    """Structural similarity, summed over the sources."""
    if protocol == "vifb":
        window, unbiased = gaussian(fitting(11, fused), 1.5), 1.0
    else:
        size = fitting(7, fused)
        window, unbiased = np.full(size, 1 / size), size**2 / max(size**2 - 1, 1)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    total = 0.0
    for source in sources:
        (mean_f, mean_x), var_f, var_x, cov = local_statistics(fused, source, window)
        total += np.mean(
            (2 * mean_f * mean_x + c1)
            * (2 * unbiased * cov + c2)
            / ((mean_f**2 + mean_x**2 + c1) * (unbiased * (var_f + var_x) + c2))
        )
    return total


def vifp(reference: np.ndarray, distorted: np.ndarray) -> float:
    """Visual information fidelity of one source, in the pixel domain."""
    kept = given = 0.0
    for scale, size in enumerate((17, 9, 5, 3)):
        if scale:
            window = gaussian(fitting(size, reference), fitting(size, reference) / 5)
            reference = filtered(reference, window)[::2, ::2]
            distorted = filtered(distorted, window)[::2, ::2]
        window = gaussian(fitting(size, reference), fitting(size, reference) / 5)
        _, var_r, var_d, cov = local_statistics(reference, distorted, window)
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
    return kept / given if given > 0 else 0.0


def vif(fused: np.ndarray, sources: Sequence[np.ndarray], protocol: str) -> float:
    """Visual information fidelity, summed over the sources."""
    return sum(vifp(source, fused) for source in sources)


def edges(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strength and angle of the edges."""
    sx, sy = sobel(image)
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = np.where(sx == 0, np.pi / 2, np.arctan(sy / sx))
    return np.hypot(sx, sy), angle


def qabf(fused: np.ndarray, sources: Sequence[np.ndarray], protocol: str) -> float:
    """Edge transfer."""
    strength_f, angle_f = edges(fused)
    above = below = 0.0
    for source in sources:
        strength, angle = edges(source)
        low, high = np.minimum(strength, strength_f), np.maximum(strength, strength_f)
        ratio = np.divide(low, high, out=np.zeros_like(low), where=high > 0)
        parallel = np.abs(np.abs(angle - angle_f) - np.pi / 2) / (np.pi / 2)
        kept = 0.9994 / (1 + np.exp(-15 * (ratio - 0.5)))
        kept = kept * 0.9879 / (1 + np.exp(-22 * (parallel - 0.8)))
        above, below = above + np.sum(kept * strength), below + np.sum(strength)
    return above / below if below > 0 else 0.0


def cc(fused: np.ndarray, sources: Sequence[np.ndarray], protocol: str) -> float:
    """Correlation coefficient, mean over the sources."""
    return np.mean([corr(fused, source) for source in sources])


def mse(fused: np.ndarray, sources: Sequence[np.ndarray], protocol: str) -> float:
    """Mean squared error, mean over the sources."""
    return np.mean([np.mean((fused - source) ** 2) for source in sources])


def psnr(fused: np.ndarray, sources: Sequence[np.ndarray], protocol: str) -> float:
    """Peak signal-to-noise ratio, in dB within [-100, 100]."""
    error, peak = mse(fused, sources, protocol), fused.max() ** 2
    if error == 0:
        return 100.0
    return np.clip(10 * np.log10(peak / error), -100, 100) if peak > 0 else -100.0


METRICS = {
    "EN": en,
    "SD": sd,
    "AG": ag,
    "EI": ei,
    "SF": sf,
    "SCD": scd,
    "CE": ce,
    "SSIM": ssim,
    "MI": mi,
    "NMI": nmi,
    "VIF": vif,
    "Qabf": qabf,
    "CC": cc,
    "MSE": mse,
    "PSNR": psnr,
}
