"""Damage to one region of one source, at rising severity (Figs. 6 to 8). Pure functions.

Every corruption takes f32[H, W, C] in [0, 1], a severity in [0, 1], a key and the part of a picture
that the array holds, and returns the same shape in [0, 1]. Severity 0 changes nothing, and what a
lower severity damages a higher one does.
"""

import chex
import jax
import jax.numpy as jnp

from ttd_jax.parts.border import inside
from ttd_jax.parts.part import WHOLE, Part

_NOISE = 0.5  # standard deviation at severity 1
_BLUR = 8.0  # standard deviation of the blur at severity 1, in pixels


def contrast(image: jax.Array, severity: chex.Numeric, key: jax.Array, part: Part) -> jax.Array:
    """Pulled towards its mean; flat at severity 1."""
    del key
    mean = part.mean(image)
    return mean + (1 - severity) * (image - mean)


def brightness(image: jax.Array, severity: chex.Numeric, key: jax.Array, part: Part) -> jax.Array:
    """Brightened towards white."""
    del key, part
    return image + severity * (1 - image)


def darkness(image: jax.Array, severity: chex.Numeric, key: jax.Array, part: Part) -> jax.Array:
    """Darkened towards black."""
    del key, part
    return (1 - severity) * image


def noise(image: jax.Array, severity: chex.Numeric, key: jax.Array, part: Part) -> jax.Array:
    """Gaussian noise of standard deviation 0.5 at severity 1, clipped."""
    del part
    drawn = _at_pixels(lambda key: jax.random.normal(key, image.shape[2:]), key, image.shape)
    return jnp.clip(image + _NOISE * severity * drawn, 0.0, 1.0)


def blur(image: jax.Array, severity: chex.Numeric, key: jax.Array, part: Part) -> jax.Array:
    """Gaussian blur of standard deviation 8 pixels at severity 1, border repeated."""
    del key
    radius = int(3 * _BLUR)
    offsets = jnp.arange(-radius, radius + 1)
    sigma = jnp.maximum(_BLUR * severity, 1e-3)  # a single one at severity 0
    window = jax.nn.softmax(-0.5 * jnp.square(offsets / sigma))
    planes = jnp.moveaxis(part.pad(image, "edge", radius), -1, 0)
    for kernel in (window[:, None], window[None, :]):
        planes = jax.vmap(lambda p, k=kernel: jax.scipy.signal.convolve2d(p, k, "valid"))(planes)
    return jnp.moveaxis(planes, 0, -1)


def mask(image: jax.Array, severity: chex.Numeric, key: jax.Array, part: Part) -> jax.Array:
    """A share `severity` of the pixels is black, chosen at random; all at severity 1."""
    del part
    chosen = _at_pixels(jax.random.uniform, key, image.shape) < severity
    return jnp.where(chosen[..., None], 0.0, image)


def _at_pixels(draw, key, shape):
    """What is drawn at every pixel with a key of its place: the same in arrays of all sizes."""
    fold = jax.vmap(jax.random.fold_in, (None, 0))
    rows, columns = map(jnp.arange, shape[:2])
    return jax.vmap(lambda row: jax.vmap(draw)(fold(row, columns)))(fold(key, rows))


CORRUPTIONS = {
    function.__name__: function for function in (mask, darkness, brightness, contrast, noise, blur)
}


def damage(
    image: jax.Array,
    region: jax.Array,
    corruption: str,
    severity: float | jax.Array,
    key: jax.Array,
    part: Part = WHOLE,
) -> jax.Array:
    """Corrupts a picture inside of a region.

    Args:
      image: f32[H, W, C] in [0, 1].
      region: bool[H, W].
      corruption: a key of `CORRUPTIONS`.
      severity: f32 in [0, 1].
      key: a JAX random key; one key damages the same pixels at every severity, and pixels at one
        place alike whatever the size.
      part: where the picture lies in the array.
    """
    damaged = CORRUPTIONS[corruption](image, severity, key, part)
    return jnp.where(region[..., None], damaged, image)


def central_region(height: int, width: int, part: Part = WHOLE) -> jax.Array:
    """bool[H, W]: the middle half of each side of the picture that lies in arrays of a size."""
    sides = (height, width) if part.extent is None else tuple(part.extent)
    start = tuple(side // 4 for side in sides)
    stop = tuple(side - first for side, first in zip(sides, start, strict=True))
    return inside((height, width), start, stop)[..., 0]
