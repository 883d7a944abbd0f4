"""Pictures in [0, 1] and in integers."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import DTypeLike


def quantize(image: chex.Array, dtype: DTypeLike = np.uint8, *, how: str = "round") -> chex.Array:
    """f32 in [0, 1] to integers; clips first, then rounds (half to even) or truncates.

    Args:
      image: of any shape; a numpy array gives one, and so does a JAX array.
      dtype: np.uint8 or np.uint16.
      how: 'round' or 'truncate'.
    """
    xp = jnp if isinstance(image, jax.Array) else np
    top = np.float32(np.iinfo(dtype).max)
    scaled = xp.clip(xp.asarray(image, np.float32), 0, 1) * top
    return (xp.rint(scaled) if how == "round" else xp.floor(scaled)).astype(dtype)


def as_float(pixels: np.ndarray) -> np.ndarray:
    """f32 in [0, 1]: integers over the largest of their type; floats as they are."""
    if not np.issubdtype(pixels.dtype, np.integer):
        return np.asarray(pixels, np.float32)
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
