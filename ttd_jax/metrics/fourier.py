"""Fourier and cosine transforms of pictures, also of those whose size is data.

A picture of data-dependent size n is transformed at the size of its array by Bluestein's chirp-z
transform: with j k = (j^2 + k^2 - (k - j)^2) / 2 the sum over j is a convolution, of any length. On
TPUs all transforms are products of matrices: their compiler makes gigabytes of traffic of an FFT.
"""

import functools
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax.metrics.inputs import offset
from ttd_jax.metrics.region import Region

# The two transforms of real images keep the columns that the others mirror: 0 to n / 2.


def rfft2(images: chex.Array, region: Region) -> chex.Array:
    """Fourier transform of the pictures in f32[..., H, W], c64[..., H, W // 2 + 1].

    What lies beyond the frequencies of a smaller picture is finite and means nothing.
    """
    half = images.shape[-1] // 2 + 1
    sums = lambda x: _fft2(region.keep(x), region, -1, half)  # noqa: E731
    return _fast_if_whole(jnp.fft.rfft2, sums, images, region)


def irfft2(spectra: chex.Array, region: Region, shape: tuple[int, int]) -> chex.Array:
    """The pictures f32[..., H, W] of spectra as `rfft2` gives, times a filter; `shape` is H, W."""
    fast = lambda x: jnp.fft.irfft2(x, shape)  # noqa: E731
    return _fast_if_whole(fast, lambda x: _irfft2(x, region, shape), spectra, region)


def _irfft2(spectra, region, shape):
    height, width = region.sides
    column = jnp.arange(spectra.shape[-1])
    mirrored = (column > 0) & (2 * column < width)
    spectra = weigh(spectra, _last(jnp.where(mirrored, 2.0, 1.0), spectra))
    spectra = Region((height, width // 2 + 1), whole=False).keep(spectra)
    images = _fft2(spectra, region, 1, shape[1]).real
    return region.keep(images / _size(region))


def fft2(images: chex.Array, region: Region) -> chex.Array:
    """Fourier transform of the pictures in f32[..., H, W], or c64: c64[..., H, W].

    What lies beyond the frequencies of a smaller picture is finite and means nothing.
    """
    sums = lambda x: _fft2(region.keep(x), region, -1, x.shape[-1])  # noqa: E731
    return _fast_if_whole(jnp.fft.fft2, sums, images, region)


def ifft2(spectra: chex.Array, region: Region) -> chex.Array:
    """The pictures c64[..., H, W] of spectra as `fft2` gives for f32[..., H, W], times a filter."""

    def sums(x):
        images = _fft2(region.keep(x), region, 1, x.shape[-1])
        return region.keep(weigh(images, 1 / _size(region)))

    return _fast_if_whole(jnp.fft.ifft2, sums, spectra, region)


def frequencies(
    region: Region, shape: tuple[int, int], *, half: bool = False
) -> tuple[chex.Array, chex.Array]:
    """Waves per picture, whole numbers from -n/2 on: along rows f32[H, 1] and columns f32[1, W].

    With `half` columns are `rfft2`'s. A picture of even size has its last frequency, n/2, as -n/2.
    """
    columns = shape[1] // 2 + 1 if half else shape[1]
    axes = (
        (jnp.arange(count), side)
        for count, side in zip((shape[0], columns), region.sides, strict=True)
    )
    vertical, horizontal = (
        jnp.where(2 * index < side, index, index - side).astype(jnp.float32) for index, side in axes
    )
    return vertical[:, None], horizontal[None]


def weigh(spectra: chex.Array, response: chex.Array) -> chex.Array:
    """Spectra c64[..., H, W] times the real response of a filter, f32[..., H, W]."""
    return jax.lax.complex(spectra.real * response, spectra.imag * response)


def dct2(images: chex.Array, region: Region) -> chex.Array:
    """Orthonormal cosine transform (DCT-II) of the pictures in f32[..., H, W], the same shape."""
    # The mean goes beside: in float32 it would drown the small coefficients.
    mean = offset(images, region)
    images = region.keep(images - mean)
    for side in reversed(region.sides):  # columns first
        images = jnp.swapaxes(_dct(images, side), -2, -1)
    first = jnp.sqrt(_size(region)) * mean[..., 0, 0]
    return region.keep(images.at[..., 0, 0].add(first))


def _fast_if_whole(fast, sums, x, region):
    if not region.whole:
        return sums(x)
    return jax.lax.platform_dependent(x, tpu=sums, default=fast)


def _size(region):
    return jnp.float32(math.prod(region.sides))


def _fft2(images, region, sign, columns):
    """Sums over the rows' columns, of which `columns` are wanted, and then over the rows."""
    height, width = region.sides
    images = _sums(images.astype(jnp.complex64), width, columns, sign)
    images = jnp.swapaxes(images, -2, -1)
    return jnp.swapaxes(_sums(images, height, images.shape[-1], sign), -2, -1)


def _dct(images, side):
    """Along the last axis: the transform of twice the length, turned by half a pixel."""
    count = images.shape[-1]
    index = jnp.arange(count)
    fast = lambda x: jnp.fft.rfft(x, 2 * count)[..., :count]  # noqa: E731
    sums = lambda x: _sums(x.astype(jnp.complex64), 2 * side, count, -1)  # noqa: E731
    if isinstance(side, int):
        spectra = jax.lax.platform_dependent(images, tpu=sums, default=fast)
    else:
        spectra = sums(images)
    turned = (spectra * _last(_wave(-index, 4 * side), spectra)).real
    scale = jnp.sqrt(jnp.where(index == 0, 1.0, 2.0) / jnp.float32(side))
    return turned * _last(scale, turned)


def _sums(x, period, count, sign):
    """sum_j x[..., j] exp(sign 2 pi i j k / period) for k < count, c64; the period may be data."""
    return jax.lax.platform_dependent(
        x,
        jnp.int32(period),
        tpu=lambda x, period: _by_matrix(x, period, count, sign),
        default=lambda x, period: _chirp_z(x, period, count, sign),
    )


def _by_matrix(x, period, count, sign):
    # products stay below 2^31 up to some 46000 pixels a side
    part = sign * jnp.arange(x.shape[-1])[:, None] * jnp.arange(count)[None]
    return jnp.matmul(x, _wave(part % period, period), precision="highest")


def _chirp_z(x, period, count, sign):
    length = x.shape[-1]
    padded = _fast_length(length + count - 1)
    lag = np.arange(padded)
    lag = np.where(lag < count, lag, lag - padded)  # k - j, from 1 - length to count - 1
    lag = jnp.asarray(lag, jnp.int32)
    index = jnp.arange(max(length, count))
    # squares stay below 2^31 up to some 20000 pixels a side
    chirp = _last(_wave(sign * jnp.square(index) % (2 * period), 2 * period), x)
    kernel = _last(_wave(-sign * jnp.square(lag) % (2 * period), 2 * period), x)
    product = jnp.fft.fft(x * chirp[..., :length], padded) * jnp.fft.fft(kernel)
    return jnp.fft.ifft(product)[..., :count] * chirp[..., :count]


def _wave(part, whole):
    """exp(2 pi i part / whole) of whole numbers: reduced to an eighth of a turn as integers."""
    quarter = jnp.round(4 * _quotient(part, whole)).astype(jnp.int32)
    angle = (jnp.pi / 2) * _quotient(4 * part - quarter * whole, whole)
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    even, turned = quarter % 2 == 0, quarter % 4 >= 2
    real, imaginary = jnp.where(even, cosine, -sine), jnp.where(even, sine, cosine)
    return jax.lax.complex(jnp.where(turned, -real, real), jnp.where(turned, -imaginary, imaginary))


def _quotient(part, whole):
    return part.astype(jnp.float32) / jnp.float32(whole)


def _last(vector, x):
    """A vector along the last axis of x, of its rank."""
    return jnp.expand_dims(vector, range(x.ndim - 1))


@functools.cache
def _fast_length(least):
    """The smallest product of 2, 3 and 5 that is at least that."""
    return next(n for n in range(least, 2 * least + 1) if _smooth(n))


def _smooth(n):
    for prime in (2, 3, 5):
        while n % prime == 0:
            n //= prime
    return n == 1
