"""What networks are shown where a source has no data."""

import chex
import jax.numpy as jnp
import numpy as np
from jax import lax

# How far, in pixels, what is shown depends on what lies around it.
REACH = 12
_TAPS = np.exp(-((np.arange(-REACH, REACH + 1) / 4.0) ** 2) / 2).astype(np.float32)
_TAPS /= _TAPS.sum()
_BESIDE = float(_TAPS[:REACH].sum())  # what a pixel beside a straight end sees of the other side


def fill_in(sources: chex.Array, has_data: chex.Array | None) -> chex.Array:
    """Sources that show the mean of the others where they have no data: networks need some.

    So nothing of a source without data is seen, neither by features and residuals of pixels near
    by nor by means over the picture, and a source that has data alone is on all inputs. Where its
    data end a source differs from that mean: the difference goes on beyond the end and fades
    within `REACH` pixels, since of a step there networks draw a frame.

    Args:
      sources: f32[M, H, W, C] in [0, 1].
      has_data: bool[M, H, W]; None where all have data everywhere.

    Returns:
      f32[M, H, W, C] in [0, 1]; where no source has data, all as they were.
    """
    if has_data is None:
        return sources
    kept = has_data[..., None]
    shown, own = jnp.where(kept, sources, 0), kept.astype(sources.dtype)
    count = jnp.sum(own, axis=0)
    others = (jnp.sum(shown, axis=0) - shown) / jnp.maximum(count - own, 1)
    both = kept & (count > 1)
    step = _blurred(jnp.where(both, sources - others, 0))
    near, seen = (_blurred(where.astype(sources.dtype)) for where in (both, count > 0))
    tiny = jnp.finfo(near.dtype).tiny
    step = step / jnp.maximum(near, tiny)
    step = step * jnp.minimum(near / jnp.maximum(_BESIDE * seen, tiny), 1)
    return jnp.where(kept | (count == 0), sources, jnp.clip(others + step, 0, 1))


def _blurred(x):
    """Gaussian means of f32[..., H, W, C] with zeros beside it."""
    for axis in (x.ndim - 3, x.ndim - 2):
        margins = [(REACH, REACH) if each == axis else (0, 0) for each in range(x.ndim)]
        wide, side = jnp.pad(x, margins), x.shape[axis]
        shifted = (lax.slice_in_dim(wide, at, at + side, axis=axis) for at in range(len(_TAPS)))
        x = sum(tap * each for tap, each in zip(_TAPS, shifted, strict=True))
    return x
