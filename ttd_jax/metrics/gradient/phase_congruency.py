"""Phase congruency: how far the waves of a picture agree in phase at each pixel, as at edges."""

import functools
import math

import chex
import jax
import jax.numpy as jnp

from ttd_jax.metrics import fourier
from ttd_jax.metrics.inputs import offset, safe_divide, safe_sqrt
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
    """Phase congruency of f32[N, H, W] and its largest and smallest moment, f32[3, N, H, W].

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
    directions = jnp.arange(_ORIENTATIONS, dtype=jnp.float32) * (math.pi / _ORIENTATIONS)
    spreads = jax.lax.map(lambda direction: _spread(angle, direction), directions)
    levels = jax.lax.map(lambda spread: _noise(bands, spread, region), spreads)
    spectra = fourier.fft2(images - offset(images), region)

    def of_one(spectrum):
        def add(sums, orientation):
            direction, spread, level = orientation
            filters = bands * spread[None]
            filtered = fourier.weigh(spectrum[None], filters)
            energy, amplitude = _energy(fourier.ifft2(filtered, region), level, region)
            share = energy / jnp.where(amplitude > 0, amplitude, 1.0)
            across, down = share * jnp.cos(direction), share * jnp.sin(direction)
            terms = energy, amplitude, jnp.square(across), jnp.square(down), across * down
            return tuple(map(jnp.add, sums, terms)), None

        zeros, orientations = (jnp.zeros(shape, jnp.float32),) * 5, (directions, spreads, levels)
        (energy, amplitude, xx, yy, xy), _ = jax.lax.scan(add, zeros, orientations)
        return energy / (amplitude + _EPSILON), xx, yy, xy

    congruency, xx, yy, xy = jax.lax.map(of_one, spectra)
    xx, yy, xy = xx / (_ORIENTATIONS / 2), yy / (_ORIENTATIONS / 2), xy / _ORIENTATIONS
    spread = _length(xy, xx - yy) + _EPSILON
    return jnp.stack([congruency, (xx + yy + spread) / 2, (xx + yy - spread) / 2])


def _bands(region, shape, low_pass):
    """The filters without their orientation, f32[4, H, W], and the angle of each frequency."""
    waves = fourier.frequencies(region, shape)
    down, across = (
        wave / jnp.float32(_length_of_axis(side))
        for wave, side in zip(waves, region.sides, strict=True)
    )
    squared = jnp.square(down) + jnp.square(across)
    if low_pass == "shifted":
        low = sum(
            jnp.square(_shift(wave, side) / jnp.float32(side))
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
    side = jnp.float32(side)
    after = wave + side % 2
    return jnp.where(2 * after > side, after - side, after)


def _spread(angle, direction):
    away = jnp.abs(angle - direction)
    away = jnp.minimum(away, 2 * math.pi - away)
    return jnp.exp(-jnp.square(away) / (2 * _ANGLE**2))


def _noise(bands, spread, region):
    """What a median squared amplitude of the finest scale is multiplied by for noise's energy."""
    together = sum(bands) * spread
    mirrored = together
    for axis, side in enumerate(region.sides):
        mirrored = _mirror(mirrored, side, axis)
    even = jnp.square((together + region.keep(mirrored)) / 2)
    finest = jnp.sum(jnp.square(bands[0] * spread))  # of pictures of two pixels nothing
    return safe_divide(jnp.sum(even), finest) / math.log(2)


def _mirror(x, side, axis):
    """What stands at frequency -k, at k."""
    zero, rest = jnp.split(x, [1], axis)
    return jnp.concatenate([zero, jnp.roll(jnp.flip(rest, axis), side - x.shape[axis], axis)], axis)


def _energy(responses, level, region):
    """Energy and amplitude at all scales, f32[H, W] each, of c64[4, H, W] in one orientation."""
    # scale by scale, so that XLA makes one pass over the pixels
    even, odd = list(responses.real), list(responses.imag)
    squares = [jnp.square(e) + jnp.square(o) for e, o in zip(even, odd, strict=True)]
    amplitudes = [safe_sqrt(square) for square in squares]
    amplitude = sum(amplitudes)
    mean_even, mean_odd = sum(even), sum(odd)
    total = 1 / (_length(mean_even, mean_odd) + _EPSILON)
    mean_even, mean_odd = mean_even * total, mean_odd * total
    energy = sum(
        e * mean_even + o * mean_odd - jnp.abs(e * mean_odd - o * mean_even)
        for e, o in zip(even, odd, strict=True)
    )
    tau = safe_sqrt(level * median(squares[0], region))
    noise = tau * (math.sqrt(math.pi / 2) + _NOISE * math.sqrt(2 - math.pi / 2)) / _OVERESTIMATED
    largest = functools.reduce(jnp.maximum, amplitudes)
    width = amplitude / (largest + _EPSILON) / _SCALES
    weight = jax.nn.sigmoid(_SHARPNESS * (width - _SPREAD))
    return jnp.maximum(energy - noise, 0.0) * weight, amplitude


def _length(x, y):
    return safe_sqrt(jnp.square(x) + jnp.square(y))
