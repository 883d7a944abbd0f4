"""MS-SSIM: structural similarity over five scales. Differentiable."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax.metrics import windows
from ttd_jax.metrics.inputs import prepare, safe_power
from ttd_jax.metrics.region import Extent, Mask, Region

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of each scale, the finest first
_K1, _K2 = 0.01, 0.03


def multiscale_similarity(
    fused: chex.Array,
    sources: chex.Array,
    *,
    data_range: float = 255.0,
    beside: str = "edge",
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """MS-SSIM = sum over m of ms(F, X_m), in 0..M; M where the fused picture equals every source.

    ms is the product over five scales of the mean, over windows of 11x11 with Gaussian weights of
    standard deviation 1.5, of the contrast and structure (2 cov + C2) / (var + var + C2), at the
    last scale times the luminance, to the powers of 0.0448, 0.2856, 0.3001, 0.2363 and 0.1333. A
    mean below 0 counts for 0. A scale is the mean of 2x2 pixels of the one before.

    A side of at least 176 holds a window at all scales; a smaller picture's shrink to fit.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      data_range: for which C1 and C2 are made.
      beside: what an odd side gets: 'edge', its last row or column once more; 'black', a row or
        column of zeros before its first.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Wang, Simoncelli and Bovik, Asilomar 2003, 1398-1402.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    figures = 1.0
    for scale, weight in enumerate(_WEIGHTS):
        if scale:
            fused, sources, region = halved(fused, sources, region, beside=beside)
        side, taps = windows.window_taps("gaussian 11/1.5", region)
        means, variances, covariances = windows.statistics(fused, sources, taps)
        quality = (2 * covariances + c2) / (variances[:1] + variances[1:] + c2)
        if scale == len(_WEIGHTS) - 1:
            squares = jnp.square(means)
            quality *= (2 * means[:1] * means[1:] + c1) / (squares[:1] + squares[1:] + c1)
        figures *= safe_power(region.windows(side).mean(quality, axis=(-2, -1)), weight)
    return jnp.sum(figures)


def halved(
    fused: chex.Array, sources: chex.Array, region: Region, *, beside: str = "edge"
) -> tuple[chex.Array, chex.Array, Region]:
    """F, every X_m and their region at half their size: means of 2x2 pixels.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W].
      region: theirs.
      beside: see `multiscale_similarity`.

    Returns:
      f32[ceil(H / 2), ceil(W / 2)], f32[M, ceil(H / 2), ceil(W / 2)].
    """
    images = jnp.concatenate([fused[None], sources])
    if beside == "edge":
        margins = [(0, 0), *((0, side % 2) for side in images.shape[-2:])]
        images = region.repeat_edge(jnp.pad(images, margins, mode="edge"))
    else:
        for axis, side in zip((1, 2), region.sides, strict=True):
            images = _led_by_black(images, axis, side)
    pixels = [images[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    region = region.windows(1, stride=2)
    images = region.keep(sum(pixels) / 4)
    return images[0], images[1:], region


def _led_by_black(images, axis, side):
    """The images with zeros before the first row or column of an odd side, at an even length."""
    length = images.shape[axis]
    margins = np.zeros((images.ndim, 2), int)
    margins[axis, 1] = length % 2
    level = jnp.pad(images, margins)
    margins[axis] = 1, 0
    moved = jax.lax.slice_in_dim(jnp.pad(images, margins), 0, level.shape[axis], axis=axis)
    return jnp.where(side % 2 == 1, moved, level)
