"""SSIM: structural similarity of the fused image with every source. Differentiable."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax.metrics import filters, windows
from ttd_jax.metrics.inputs import offset, prepare
from ttd_jax.metrics.region import Extent, Mask, Region, divisor
from ttd_jax.parts.border import fill_border, pad_border

_K1, _K2 = 0.01, 0.03


class _Window(NamedTuple):
    size: int
    make: Callable[[int], np.ndarray]
    sample: bool  # covariances of a sample, or of a population


_WINDOWS = {
    "uniform": _Window(7, filters.uniform, True),
    "gaussian": _Window(11, functools.partial(filters.gaussian, sigma=1.5), False),
}


def ssim(
    fused: chex.Array,
    sources: chex.Array,
    *,
    window: str = "uniform",
    data_range: float = 255.0,
    border: str = "valid",
    over_sources: str = "sum",
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """SSIM = sum over m of ssim(F, X_m), in -M..M; M where the fused image equals every source.

    'uniform': 7x7 window and sample covariance. 'gaussian': 11x11 of standard deviation 1.5 and
    population covariance. Mean over the windows inside the image; a smaller image gets the largest
    window that fits.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      window: 'uniform' or 'gaussian', see above.
      data_range: for which the constants are made: C1 = (0.01 range)^2, C2 = (0.03 range)^2.
      border: 'valid', see above, or 'edge': a window around every pixel, the border's repeated.
      over_sources: 'sum' or 'mean'.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Wang et al., IEEE Trans. Image Processing 13 (2004) 600-612.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    size, make, _ = _WINDOWS[window]
    if border == "edge":
        images, taps = (
            _framed(jnp.concatenate([fused[None], sources]), size // 2, region),
            make(size),
        )
        side, inside = size, region
        fused, sources = images[0], images[1:]
    else:
        side, taps = region.window(size, make)
        inside = region.windows(side)
    # Constants for smaller grays leave no room for what sums of squares lose.
    exact = data_range < 255
    local = (
        windows.statistics(fused, sources, taps) if exact else _sums(fused, sources, taps, region)
    )
    similarities = _similarities(local, side, inside, data_range=data_range, window=window)
    return jnp.sum(similarities) if over_sources == "sum" else jnp.mean(similarities)


def similarity(
    fused: chex.Array,
    sources: chex.Array,
    *,
    data_range: float,
    window: str = "gaussian",
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """Mean structural similarity of one image with each of several, f32[M].

    Args:
      fused: f32[H, W].
      sources: f32[M, H, W].
      data_range: largest minus smallest possible gray: 255, or 1 for images in [0, 1].
      window: 'gaussian' (11x11, population covariance) or 'uniform' (7x7, sample covariance).
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.
    """
    region = Region.of(fused, extent, mask)
    size, make, _ = _WINDOWS[window]
    side, taps = region.window(size, make)
    local = _sums(fused, sources, taps, region)
    return _similarities(local, side, region.windows(side), data_range=data_range, window=window)


def _sums(fused, sources, taps, region):
    """As `windows.statistics`, with the noise of sums of squares, in half the time."""
    images = jnp.concatenate([fused[None], sources])
    # Variances do not change with the origin, and near it float32 keeps the small ones.
    origin = jax.lax.stop_gradient(offset(images, region))
    means, variances, covariances = filters.local_moments(images - origin, taps)
    return means + origin, variances, covariances


def _similarities(local, side, region, *, data_range, window):
    means, variances, covariances = local
    unbiased = divisor(side**2) / divisor(side**2 - 1) if _WINDOWS[window].sample else 1.0
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    squares = jnp.square(means)
    luminance = (2 * means[:1] * means[1:] + c1) / (squares[:1] + squares[1:] + c1)
    structure = (2 * unbiased * covariances + c2) / (
        unbiased * (variances[:1] + variances[1:]) + c2
    )
    return region.mean(luminance * structure, axis=(-2, -1))


def _framed(images, margin, region):
    """Images [..., H, W] with their border repeated `margin` times on each side."""
    if region.whole:
        frame = [(0, 0)] * (images.ndim - 2) + [(margin, margin)] * 2
        return jnp.pad(images, frame, mode="edge")
    start = (margin, margin)
    stop = tuple(margin + side for side in region.sides)
    framed = pad_border(images[..., None], margin=margin)
    return fill_border(framed, "edge", start, stop, margin=margin)[..., 0]
