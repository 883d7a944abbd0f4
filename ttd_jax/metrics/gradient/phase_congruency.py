"""Phase congruency: how far the waves of a picture agree in phase at each pixel, as at edges."""

import math

import chex
import jax
import jax.numpy as jnp

from ttd_jax.metrics import fourier
from ttd_jax.metrics.inputs import offset, safe_sqrt
from ttd_jax.metrics.order import median
from ttd_jax.metrics.region import Region

_SCALES, _ORIENTATIONS = 4, 6
_FINEST, _STEP = 3.0, 2.1  # wavelength in pixels, and from scale to scale
_BANDWIDTH = 0.55  # standard deviation of a log-Gabor filter over its frequency
_ANGLE = math.pi / _ORIENTATIONS / 1.2  # standard deviation across an orientation
_CUTOFF, _ORDER = 0.45, 15  # of the Butterworth low pass
_NOISE = 2.0  # standard deviations above the mean of noise's energy
_OVERESTIMATED = 1.7  # that energy, for these filters
_SPREAD, _SHARPNESS = 0.5, 10.0  # share of scales below which a pixel counts less, and how sharply
_EPSILON = 1e-4
LOW_PASSES = ("centered", "shifted")


def phase_congruency(
    images: chex.Array, region: Region, *, low_pass: str = "centered"
) -> chex.Array:
    """Phase congruency of f32[N, H, W] and its largest and smallest moment, f32[N, 3, H, W].

    Log-Gabor filters at 4 scales and 6 orientations give amplitudes A and energies E, of which the
    noise that the finest scale's median amplitude tells of is taken off and which are weighted by
    the spread over scales. Congruency is sum E / (sum A + 1e-4), in 0..1, the moments are those of
    E / A over orientations; where A is 0, as in a constant image, all are 0.

    Args:
      images: grays in 0..255.
      region: its picture is transformed, whatever of it is judged.
      low_pass: 'centered' at frequency 0; or 'shifted', one frequency beside it for odd sizes,
        as a helper of many copies of the program has it.

    Reference: Kovesi, Videre 1 (1999); DICTA (2003).
    """
    shape = images.shape[-2:]
    bands, angle = _bands(region, shape, low_pass)
    directions = jnp.arange(_ORIENTATIONS) * (math.pi / _ORIENTATIONS)
    levels = jax.lax.map(lambda direction: _noise(bands, angle, direction, region), directions)
    spectra = fourier.fft2(images - offset(images), region)

    def of_one(spectrum):
        def add(sums, orientation):
            direction, level = orientation
            filters = bands * _spread(angle, direction)
            energy, amplitude = _energy(fourier.ifft2(spectrum * filters, region), level, region)
            share = energy / jnp.where(amplitude > 0, amplitude, 1.0)
            across, down = share * jnp.cos(direction), share * jnp.sin(direction)
            terms = energy, amplitude, jnp.square(across), jnp.square(down), across * down
            return tuple(map(jnp.add, sums, terms)), None

        zeros = (jnp.zeros(shape),) * 5
        (energy, amplitude, xx, yy, xy), _ = jax.lax.scan(add, zeros, (directions, levels))
        return energy / (amplitude + _EPSILON), xx, yy, xy

    congruency, xx, yy, xy = jax.lax.map(of_one, spectra)
    xx, yy, xy = xx / (_ORIENTATIONS / 2), yy / (_ORIENTATIONS / 2), xy / _ORIENTATIONS
    spread = _length(xy, xx - yy) + _EPSILON
    return jnp.stack([congruency, (xx + yy + spread) / 2, (xx + yy - spread) / 2], axis=1)


def _bands(region, shape, low_pass):
    """The filters without their orientation, f32[4, H, W], and the angle of each frequency."""
    waves = fourier.frequencies(region, shape)
    down, across = (
        wave / _length_of_axis(side) for wave, side in zip(waves, region.sides, strict=True)
    )
    squared = jnp.square(down) + jnp.square(across)
    if low_pass == "shifted":
        low = sum(
            jnp.square(_shift(wave, side) / side)
            for wave, side in zip(waves, region.sides, strict=True)
        )
    else:
        low = squared
    low = 1 / (1 + (low / _CUTOFF**2) ** _ORDER)
    mean = squared == 0
    radius = jnp.log(jnp.where(mean, 1.0, squared)) / 2
    low = region.keep(jnp.where(mean, 0.0, low))
    wavelengths = [_FINEST * _STEP**scale for scale in range(_SCALES)]
    width = 2 * math.log(_BANDWIDTH) ** 2
    bands = [low * jnp.exp(-jnp.square(radius + math.log(w)) / width) for w in wavelengths]
    return jnp.stack(bands), jnp.arctan2(-down, jnp.where(mean, 1.0, across))


def _length_of_axis(side):
    """What frequencies are divided by: odd sizes end at one half, too."""
    return jnp.maximum(side - side % 2, 1)


def _shift(wave, side):
    """The frequency after each one of an odd size."""
    after = wave + side % 2
    return jnp.where(2 * after > side, after - side, after)


def _spread(angle, direction):
    away = jnp.abs(angle - direction)
    away = jnp.minimum(away, 2 * math.pi - away)
    return jnp.exp(-jnp.square(away) / (2 * _ANGLE**2))


def _noise(bands, angle, direction, region):
    """What a median squared amplitude of the finest scale is multiplied by for noise's energy."""
    spread = _spread(angle, direction)
    together = jnp.sum(bands, axis=0) * spread
    even = together
    for axis, side in enumerate(region.sides):
        even = jnp.take(even, -jnp.arange(even.shape[axis]) % side, axis=axis)
    even = region.keep(together + even) / 2
    power = jnp.sum(jnp.square(even)) / jnp.sum(jnp.square(bands[0] * spread))
    return power / math.log(2)


def _energy(responses, level, region):
    """Energy and amplitude at all scales, f32[H, W] each, of c64[4, H, W] in one orientation."""
    even, odd = responses.real, responses.imag
    squares = jnp.square(even) + jnp.square(odd)
    amplitudes = safe_sqrt(squares)
    amplitude = jnp.sum(amplitudes, axis=0)
    mean_even, mean_odd = jnp.sum(even, axis=0), jnp.sum(odd, axis=0)
    total = _length(mean_even, mean_odd) + _EPSILON
    mean_even, mean_odd = mean_even / total, mean_odd / total
    energy = even * mean_even + odd * mean_odd - jnp.abs(even * mean_odd - odd * mean_even)
    tau = safe_sqrt(level * median(squares[0], region))
    noise = tau * (math.sqrt(math.pi / 2) + _NOISE * math.sqrt(2 - math.pi / 2)) / _OVERESTIMATED
    energy = jnp.maximum(jnp.sum(energy, axis=0) - noise, 0.0)
    width = amplitude / (jnp.max(amplitudes, axis=0) + _EPSILON) / _SCALES
    return energy * jax.nn.sigmoid(_SHARPNESS * (width - _SPREAD)), amplitude


def _length(x, y):
    return safe_sqrt(jnp.square(x) + jnp.square(y))
