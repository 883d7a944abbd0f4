"""Phase congruency in float64 NumPy and SciPy."""

import numpy as np
import scipy.fft

_SCALES, _ORIENTATIONS = 4, 6
_EPSILON = 1e-4


def phase_congruency(
    picture: np.ndarray, *, low_pass: str = "centered"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Phase congruency of a picture [H, W], and its largest and smallest moment: three [H, W]."""
    spectrum = scipy.fft.fft2(picture)
    radius, angle, low = _plane(picture.shape, low_pass)
    bands = []
    for scale in range(_SCALES):
        band = low * np.exp(-(np.log(radius * 3 * 2.1**scale) ** 2) / (2 * np.log(0.55) ** 2))
        band[0, 0] = 0
        bands.append(band)
    bands = np.stack(bands)
    total_energy = total_amplitude = xx = yy = xy = 0.0
    for orientation in range(_ORIENTATIONS):
        direction = orientation * np.pi / _ORIENTATIONS
        away = np.abs(np.angle(np.exp(1j * (angle - direction))))
        filters = bands * np.exp(-(away**2) / (2 * (np.pi / _ORIENTATIONS / 1.2) ** 2))
        responses = scipy.fft.ifft2(spectrum * filters)
        amplitudes = np.abs(responses)
        amplitude = amplitudes.sum(axis=0)
        mean = responses.sum(axis=0)
        mean = mean / (np.abs(mean) + _EPSILON)
        along = responses * np.conj(mean)  # real: in phase with the mean, imaginary: across
        energy = np.sum(along.real - np.abs(along.imag), axis=0)
        energy = np.maximum(energy - _threshold(amplitudes[0], filters), 0)
        width = amplitude / (amplitudes.max(axis=0) + _EPSILON) / _SCALES
        energy = energy / (1 + np.exp(10 * (0.5 - width)))
        congruency = np.divide(energy, amplitude, np.zeros_like(energy), where=amplitude > 0)
        total_energy, total_amplitude = total_energy + energy, total_amplitude + amplitude
        across, down = congruency * np.cos(direction), congruency * np.sin(direction)
        xx, yy, xy = xx + across**2, yy + down**2, xy + across * down
    xx, yy, xy = xx / (_ORIENTATIONS / 2), yy / (_ORIENTATIONS / 2), xy / _ORIENTATIONS
    spread = np.hypot(xy, xx - yy) + _EPSILON
    congruency = total_energy / (total_amplitude + _EPSILON)
    return congruency, (xx + yy + spread) / 2, (xx + yy - spread) / 2


def _plane(shape, low_pass):
    """Radius, angle and low pass of each frequency, zero first."""
    axes, low_axes = [], []
    for side in shape:
        waves = np.arange(side) - side // 2
        axes.append(scipy.fft.ifftshift(waves / (side - side % 2 if side > 1 else 1)))
        if low_pass == "centered":
            low_axes.append(axes[-1])
        else:
            low_axes.append(scipy.fft.fftshift(waves / side))
    (down, across), (low_down, low_across) = axes, low_axes
    radius = np.hypot(down[:, None], across)
    radius[0, 0] = 1
    low = 1 / (1 + (np.hypot(low_down[:, None], low_across) / 0.45) ** 30)
    return radius, np.arctan2(-down[:, None], across), low


def _threshold(finest, filters):
    """The noise that the finest scale's median amplitude tells of, at all scales together."""
    power = np.median(finest**2) / np.log(2) / (np.sum(filters[0] ** 2) or 1.0)
    together = filters.sum(axis=0)
    mirrored = np.roll(together[::-1, ::-1], 1, axis=(0, 1))
    tau = np.sqrt(power * np.sum(((together + mirrored) / 2) ** 2))
    return (tau * np.sqrt(np.pi / 2) + 2 * tau * np.sqrt(2 - np.pi / 2)) / 1.7
