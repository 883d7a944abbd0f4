import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft

from tests.metrics.pictures import SHAPE, draw
from ttd_jax.metrics import fourier
from ttd_jax.metrics.region import Region


def _all(images, extent):
    region = Region.of(images, extent)
    vertical, horizontal = fourier.frequencies(region, SHAPE, half=True)
    low = 1 / (1 + (vertical**2 + horizontal**2) / 50)
    smooth = fourier.irfft2(fourier.rfft2(images, region) * low, region, SHAPE)
    vertical, horizontal = fourier.frequencies(region, SHAPE)
    oriented = fourier.ifft2(fourier.fft2(images, region) * (vertical + 2 * horizontal > 0), region)
    return smooth, oriented, fourier.dct2(images, region)


_program = jax.jit(_all)


@pytest.mark.parametrize("sides", [None, (33, 41)])
def test_a_tpu_has_the_same_transforms(sides, monkeypatch):
    take = lambda *args, tpu, default: tpu(*args)  # noqa: E731
    monkeypatch.setattr(jax.lax, "platform_dependent", take)
    _compare(jax.jit(lambda images, extent: _all(images, extent)), sides)


@pytest.mark.parametrize("sides", [None, (48, 56), (33, 41), (30, 17), (1, 2)])
def test_a_part_has_the_transforms_of_the_cut_picture(sides):
    _compare(_program, sides)


def _compare(program, sides):
    images = np.asarray(draw()[1])
    found = program(images, None if sides is None else jnp.asarray(sides))
    height, width = sides or SHAPE
    cut = images[:, :height, :width]
    spectra = scipy.fft.fft2(cut)
    vertical = scipy.fft.fftfreq(height, 1 / height)[:, None]
    horizontal = scipy.fft.fftfreq(width, 1 / width)
    expected = (
        scipy.fft.ifft2(spectra / (1 + (vertical**2 + horizontal**2) / 50)).real,
        scipy.fft.ifft2(spectra * (vertical + 2 * horizontal > 0)),
        scipy.fft.dctn(cut, axes=(-2, -1), norm="ortho"),
    )
    for part, whole in zip(found, expected, strict=True):
        part = np.array(part)
        np.testing.assert_allclose(part[:, :height, :width], whole, rtol=1e-6, atol=5e-4)
        part[:, :height, :width] = 0
        assert not part.any()


def test_the_largest_chirps_are_exact():
    side = 16384
    index = np.arange(side)
    wave = np.cos(2 * np.pi * 8191 * index / side)
    transform = jax.jit(lambda wave, side: fourier._chirp_z(wave, side, len(wave), -1))
    found = transform(jnp.asarray(wave, jnp.float32), jnp.int32(side))
    expected = np.where((index == 8191) | (index == side - 8191), side / 2, 0)
    np.testing.assert_allclose(found, expected, atol=side * 1e-6)
