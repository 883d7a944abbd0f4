"""Damage to one region of one source, at rising severity (Figs. 6 to 8). Pure functions.

Every corruption takes f32[H, W, C] in [0, 1], a severity in [0, 1] and a key, and returns the same
shape in [0, 1]. Severity 0 changes nothing, and what a lower severity damages a higher one does.
"""

import jax
import jax.numpy as jnp

_NOISE = 0.5  # standard deviation at severity 1
_BLUR = 8.0  # standard deviation of the blur at severity 1, in pixels


def contrast(image: jax.Array, severity: float | jax.Array, key: jax.Array) -> jax.Array:
    """Pulled towards its mean; flat at severity 1."""
    del key
    mean = jnp.mean(image, axis=(0, 1), keepdims=True)
    return mean + (1 - severity) * (image - mean)


def brightness(image: jax.Array, severity: float | jax.Array, key: jax.Array) -> jax.Array:
    """Brightened towards white."""
    del key
    return image + severity * (1 - image)


def darkness(image: jax.Array, severity: float | jax.Array, key: jax.Array) -> jax.Array:
    """Darkened towards black."""
    del key
    return (1 - severity) * image


def noise(image: jax.Array, severity: float | jax.Array, key: jax.Array) -> jax.Array:
    """Gaussian noise of standard deviation 0.5 at severity 1, clipped."""
    return jnp.clip(image + _NOISE * severity * jax.random.normal(key, image.shape), 0.0, 1.0)


def blur(image: jax.Array, severity: float | jax.Array, key: jax.Array) -> jax.Array:
    """Gaussian blur of standard deviation 8 pixels at severity 1, border repeated."""
    del key
    radius = int(3 * _BLUR)
    offsets = jnp.arange(-radius, radius + 1)
    sigma = jnp.maximum(_BLUR * severity, 1e-3)  # a single one at severity 0
    window = jax.nn.softmax(-0.5 * jnp.square(offsets / sigma))
    planes = jnp.moveaxis(jnp.pad(image, [(radius,) * 2] * 2 + [(0, 0)], mode="edge"), -1, 0)
    for kernel in (window[:, None], window[None, :]):
        planes = jax.vmap(lambda p, k=kernel: jax.scipy.signal.convolve2d(p, k, "valid"))(planes)
    return jnp.moveaxis(planes, 0, -1)


def mask(image: jax.Array, severity: float | jax.Array, key: jax.Array) -> jax.Array:
    """A share `severity` of the pixels is black, chosen at random; all at severity 1."""
    chosen = jax.random.uniform(key, image.shape[:2]) < severity
    return jnp.where(chosen[..., None], 0.0, image)


CORRUPTIONS = {
    function.__name__: function for function in (mask, darkness, brightness, contrast, noise, blur)
}


def damage(
    image: jax.Array,
    region: jax.Array,
    corruption: str,
    severity: float | jax.Array,
    key: jax.Array,
) -> jax.Array:
    """Corrupts a picture inside of a region.

    Args:
      image: f32[H, W, C] in [0, 1].
      region: bool[H, W].
      corruption: a key of `CORRUPTIONS`.
      severity: f32 in [0, 1].
      key: a JAX random key; one key damages the same pixels at every severity.
    """
    damaged = CORRUPTIONS[corruption](image, severity, key)
    return jnp.where(region[..., None], damaged, image)


def central_region(height: int, width: int) -> jax.Array:
    """bool[H, W]: the middle half of each side."""
    row, column = jnp.arange(height), jnp.arange(width)
    inside = (row >= height // 4) & (row < height - height // 4)
    across = (column >= width // 4) & (column < width - width // 4)
    return inside[:, None] & across[None, :]
