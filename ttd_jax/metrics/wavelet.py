"""One level of the discrete Meyer wavelet, as MATLAB's dwt2(X, 'dmey') gives it.

The filters have 102 taps, and pictures are mirrored at their borders, the outermost pixels
repeated. Filtering is a product with a banded matrix: so many taps are quicker so on all devices.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax.metrics.region import Region

_TAPS = 102
_MIDDLE = 50  # the heaviest of them, reversed


def meyer() -> np.ndarray:
    """The filters, low-pass and high-pass, f64[2, 102].

    The low-pass is a zero and 101 taps of the inverse Fourier transform of the Meyer scaling
    function, whose flank is x^4 (35 - 84 x + 70 x^2 - 20 x^3); they sum to sqrt(2). The high-pass
    is its mirror image with every second sign changed.
    """
    ramp = np.clip(6 * np.abs(np.fft.fftfreq(4096)) - 1, 0, 1)
    flank = ramp**4 * (35 - 84 * ramp + 70 * ramp**2 - 20 * ramp**3)
    taps = np.roll(np.fft.ifft(np.cos(np.pi / 2 * flank)).real, _TAPS // 2)[1:_TAPS]
    low = np.append(0.0, taps * (np.sqrt(2) / np.sum(taps)))
    return np.stack([low, low[::-1] * (-1.0) ** np.arange(1, _TAPS + 1)])


def bands(images: chex.Array, region: Region) -> tuple[chex.Array, chex.Array, Region]:
    """The four bands of pictures f32[..., H, W] as one map [cA cH; cV cD].

    The map is a sum of two: what the bands of a constant picture would be, by the gray in the
    middle of the filters, and how others pull at that. The latter is small where a picture is
    nearly flat, and right in all its digits, which float32 would lose beside the former.

    Returns:
      Both f32[..., 2 K, 2 L] with K = (H + 101) // 2 and L = (W + 101) // 2, and where in them the
      map lies.
    """
    height, width = region.sides
    rows, columns = ((side + _TAPS - 1) // 2 for side in region.sides)
    sums = np.sum(meyer(), axis=1).tolist()
    middle, halves = _filter(images, height)
    (level, *centers), pulls = _filter(jnp.stack([middle, *halves]), width)
    both = range(2)
    # Sixteen bits: their products with grays are exact, and equal ones stay so however it is fused.
    levels = [[_short(sums[i] * sums[j]) * level for j in both] for i in both]
    rest = [
        [sums[i] * pulls[j, 0] + sums[j] * centers[i] + pulls[j, 1 + i] for j in both] for i in both
    ]

    def tile(quarters):  # MATLAB's order: the filter of columns tells left from right
        left, right = (_join(*half, rows, -2) for half in quarters)
        return _join(left, right, columns, -1)

    return tile(levels), tile(rest), Region((2 * rows, 2 * columns), region.whole)


def _short(x):
    mantissa, exponent = np.frexp(x)
    return float(np.ldexp(np.round(np.ldexp(mantissa, 16)), exponent - 16))


def _filter(images, side):
    """Columns f32[..., H, W], of which `side` pixels count, filtered and halved.

    Returns:
      f32[..., W, K], the pixels in the filters' middle, and f32[2, ..., W, K], which with these
      times the filters' sums are the halves.
    """
    height = images.shape[-2]
    if isinstance(side, int):
        margins = [(0, 0)] * (images.ndim - 2) + [(_TAPS - 2, _TAPS - 1), (0, 0)]
        images = jnp.pad(images, margins, mode="symmetric")
    else:
        place = jnp.arange(2 - _TAPS, height + _TAPS - 1) % (2 * side)
        place = jnp.minimum(place, 2 * side - 1 - place)
        images = jnp.take(images, place, axis=-2, mode="clip")
    rows = (height + _TAPS - 1) // 2
    middle = images[..., _MIDDLE : _MIDDLE + 2 * rows : 2, :]
    pulls = jnp.einsum(
        "bkh,...hw->b...wk",
        _matrix(images.shape[-2] - 1, rows),
        jnp.diff(images, axis=-2),
        precision=jax.lax.Precision.HIGHEST,
    )
    return jnp.swapaxes(middle, -2, -1), pulls


def _matrix(length, rows):
    """f32[2, K, length]: a row of filters for differences, two places further right in each."""
    taps = meyer()[:, ::-1]
    behind = np.cumsum(taps[:, :0:-1], axis=1)[:, ::-1]  # the sums of what follows
    before = np.cumsum(taps[:, :-1], axis=1)
    weights = np.where(np.arange(_TAPS - 1) < _MIDDLE, -before, behind)
    weights = jnp.pad(jnp.asarray(weights, jnp.float32), [(0, 0), (0, length + 3 - _TAPS)])
    return jnp.tile(weights, rows)[:, : rows * length].reshape(2, rows, length)


def _join(first, second, count, axis):
    """The first `count` places of an array's axis and another behind them."""
    room = jnp.concatenate([first, jnp.zeros_like(second)], axis)
    return jax.lax.dynamic_update_slice_in_dim(room, second, count, axis)
