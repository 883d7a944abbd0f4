"""VIF: visual information fidelity in the pixel domain."""

import functools

import chex
import jax.numpy as jnp
import numpy as np

from ttd_jax.metrics import filters, windows
from ttd_jax.metrics.inputs import offset, prepare, safe_divide
from ttd_jax.metrics.region import Extent, Mask

_SIZES = (17, 9, 5, 3)  # the window of each scale; its standard deviation is a fifth of its size
_NOISE = 2.0  # variance of the visual noise
_TINY = 1e-10


def visual_information_fidelity(
    fused: chex.Array,
    sources: chex.Array,
    *,
    border: str = "valid",
    strict: bool = False,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """VIF = sum over m of vifp(X_m, F), at least 0; M where the fused image equals every source.

    Four scales, Gaussian windows of 17, 9, 5 and 3 pixels, 'valid'; from the second scale on the
    images are first smoothed with the scale's window and every second pixel is kept. vifp is the
    information of all scales that reaches F, over that in X_m; it exceeds 1 where F has more
    contrast. A source without information (a constant one) counts for 0.

    Below 41 pixels a side some window is larger than its scale: it shrinks to the largest odd size
    that fits, and a scale left with windows of one pixel has no variance and adds nothing.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      border: 'valid', see above, or 'zeros': windows around every pixel, zeros beside the images,
        whose taps lie at -(K + 1) / 2 .. (K - 1) / 2 in equal steps: half a pixel off center.
      strict: NaN for a source without information.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Sheikh and Bovik, IEEE Trans. Image Processing 15 (2006) 430-444.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    images = jnp.concatenate([fused[None], sources])
    # Only variances matter, and float32 keeps them near zero.
    origin = offset(images, region)
    images = images - origin
    framed = functools.partial(_framed, black=-origin) if border == "zeros" else _fitting
    kept = given = jnp.zeros(sources.shape[0], jnp.float32)
    for scale, size in enumerate(_SIZES):
        if scale:
            around, side, taps = framed(images, size, region)
            images = filters.separable(around, taps, stride=2)
            region = region.windows(side, stride=2)
        around, side, taps = framed(images, size, region)
        judged = region.windows(side)
        at_scale = map(judged.told, _information(around, taps, judged))
        kept, given = (total + part for total, part in zip((kept, given), at_scale, strict=True))
    figure = jnp.sum(safe_divide(kept, given))
    return jnp.where((given == 0).any(), jnp.nan, figure) if strict else figure


def _fitting(images, size, region):
    """The images, side and taps of the largest window that fits them."""
    return images, *region.window(size, lambda side: filters.gaussian(side, side / 5))


def _framed(images, size, region, *, black):
    """The images between zeros, 1 for the side of what a window takes off them, its taps."""
    frame = [(0, 0), (size // 2, size // 2), (size // 2, size // 2)]
    around = black + jnp.pad(region.keep(images, black) - black, frame)
    taps = np.exp(-np.square(np.linspace(-(size + 1), size - 1, size) / 2 / (size / 5)) / 2)
    return around, 1, taps / taps.sum()


def _information(images, taps, region):
    """Information of each source that the first image kept, and that it had: two f32[M]."""
    _, variances, covariances = windows.statistics(images[0], images[1:], taps)
    fused, sources = jnp.maximum(variances[:1], 0.0), jnp.maximum(variances[1:], 0.0)
    # The fused window is gain * source + an error of its own. Flat windows and negative gains
    # leave nothing but the error.
    related = (sources >= _TINY) & (fused >= _TINY) & (covariances > 0)
    sources = jnp.where(sources >= _TINY, sources, 0.0)
    gain = jnp.where(related, covariances / (sources + _TINY), 0.0)
    error = jnp.maximum(fused - gain * covariances, _TINY)
    # XLA vectorizes logarithms of what is masked, but not what is masked of logarithms.
    kept = jnp.log1p(region.counted(jnp.square(gain) * sources / (error + _NOISE)))
    given = jnp.log1p(region.counted(sources / _NOISE))
    return jnp.sum(kept, axis=(-2, -1)), jnp.sum(given, axis=(-2, -1))
