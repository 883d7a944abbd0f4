"""Qcv: how much the fused picture differs from the sources, as the eye sees it, where they vary."""

import chex
import jax.numpy as jnp

from ttd_jax.metrics import filters, fourier
from ttd_jax.metrics.inputs import prepare, safe_divide, safe_sqrt
from ttd_jax.metrics.perception.stretch import stretched
from ttd_jax.metrics.region import Extent, Mask


def perceived_difference(
    fused: chex.Array,
    sources: chex.Array,
    *,
    stretch: str = "rounded",
    degrees: float = 4.0,
    block: int = 16,
    exponent: int = 5,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """Qcv = sum over m and blocks of l_m D_m over the sum of l_m, at least 0; less is better.

    D_m is the mean square, over a block of 16x16 pixels, of the difference X_m - F of stretched
    pictures after the contrast sensitivity filter 2.6 (0.0192 + 0.144 r) exp(-(0.144 r)^1.1),
    r in cycles per degree; l_m is the block's sum of Sobel's edge strength
    of X_m to the power of 5. Blocks begin at the top left; the last ones are filled with zeros.

    NaN where a picture is constant and not black, and where no source has an edge.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      stretch: see `stretched`; black pictures stay black.
      degrees: how wide and how high the eye sees a picture of any size.
      block: pixels along each side of a block.
      exponent: of the edge strength.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Chen and Varshney, Information Fusion 8 (2007) 193-207.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    images, constant = stretched(jnp.concatenate([fused[None], sources]), region, stretch)
    black = jnp.max(jnp.stack([fused, *sources]), axis=(1, 2)) == 0
    seen = _see(images[1:] - images[:1], region, degrees)
    differences = _sums(region.counted(jnp.square(seen)), block) / block**2
    if mask is not None:  # a block's mean over what of it is judged
        pixels = jnp.ones_like(images[:1])
        shares = (_sums(kept(pixels), block) for kept in (region.keep, region.counted))
        differences = differences * safe_divide(*shares)
    squares = sum(jnp.square(along) for along in filters.sobel(images[1:], border="constant"))
    edges = squares ** (exponent // 2) * (safe_sqrt(squares) if exponent % 2 else 1.0)
    saliency = _sums(region.counted(edges), block)
    total = jnp.sum(saliency)
    undefined = jnp.any(constant & ~black) | (total == 0)
    difference = jnp.sum(saliency * differences) / jnp.where(undefined, 1.0, total)
    return jnp.where(undefined, jnp.nan, difference)


def _see(images, region, degrees):
    """The images through Mannos and Sakrison's contrast sensitivity filter."""
    shape = images.shape[-2:]
    vertical, horizontal = fourier.frequencies(region, shape, half=True)
    cycles = 0.144 / degrees * jnp.hypot(vertical, horizontal)
    sensitivity = 2.6 * (0.0192 + cycles) * jnp.exp(-(cycles**1.1))
    spectra = fourier.weigh(fourier.rfft2(images, region), sensitivity[None])
    return fourier.irfft2(spectra, region, shape)


def _sums(maps, block):
    """Of f32[M, H, W] over blocks from the top left on; zeros beside."""
    rows, columns = (-(-side // block) for side in maps.shape[-2:])
    margins = (rows * block - maps.shape[-2], columns * block - maps.shape[-1])
    maps = jnp.pad(maps, [(0, 0), *((0, margin) for margin in margins)])
    return jnp.sum(maps.reshape(-1, rows, block, columns, block), axis=(2, 4))
