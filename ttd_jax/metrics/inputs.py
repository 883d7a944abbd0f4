"""The array contract of every metric, checked in one place, and arithmetic safe at zero.

    metric(fused f32[H, W], sources f32[M, H, W], *, extent=None, mask=None) -> f32 scalar

Grays in 0..255, M >= 1; with an extent i32[2], height and width, the picture is the top left part;
with a mask bool[H, W], only its pixels are judged. Batches come from `jax.vmap`. A result is finite
for finite images, or NaN where the metric is undefined, which its registry entry says.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax.core.shapes import describe
from ttd_jax.errors import UserError
from ttd_jax.metrics.region import Extent, Mask, Region

Sources = chex.Array | None  # f32[M, H, W]; None for metrics of the fused image alone

_MEND = "ttd_jax.score takes pictures as they are, fused_gray and source_gray make grays in 0..255"


def prepare(
    fused: chex.Array, sources: Sources, extent: Extent = None, mask: Mask = None
) -> tuple[chex.Array, Sources, Region]:
    """The images as float32, 0 beyond an extent, and what of them counts; all of it is checked.

    Args:
      fused: f32[H, W] in 0..255; integers are accepted.
      sources: f32[M, H, W] in 0..255, or None for a metric that looks at the fused image alone.
      extent: i32[2], height and width of the picture; None if it fills the arrays.
      mask: bool[H, W], the pixels that are judged; None for all of the picture.

    Raises:
      UserError: other shapes, or pictures in [0, 1] and an extent that is none, where their values
        are known: outside of JAX's transformations.
    """
    fused = jnp.asarray(fused, jnp.float32)
    if fused.ndim != 2:
        raise UserError(f"fused is {describe(fused)}, not a gray picture f32[H, W]: {_MEND}")
    mask = _check_mask(mask, fused.shape)
    region = Region.of(fused, _check_extent(extent, fused.shape), mask)
    fused = region.keep(fused)
    _check_range("fused", fused)
    if sources is None:
        return fused, None, region
    sources = jnp.asarray(sources, jnp.float32)
    if sources.shape[1:] != fused.shape or not len(sources):
        needed = f"grays f32[M, {fused.shape[0]}, {fused.shape[1]}]"
        raise UserError(f"sources is {describe(sources)}, not {needed}: {_MEND}")
    sources = region.keep(sources)
    _check_range("sources", sources)
    return fused, sources, region


def _check_extent(extent, shape):
    if extent is None:
        return None
    extent = jnp.asarray(extent)
    if extent.shape != (2,) or extent.dtype.kind not in "iu":
        raise UserError(f"extent is {describe(extent)}, not height and width i32[2]")
    if not isinstance(extent, jax.core.Tracer):
        sides = np.asarray(extent)
        if not ((sides > 0) & (sides <= shape)).all():
            raise UserError(f"extent {sides.tolist()} is no part of arrays of {list(shape)}")
    return extent.astype(jnp.int32)


def _check_mask(mask, shape):
    if mask is None:
        return None
    mask = jnp.asarray(mask)
    if mask.shape != shape or mask.dtype != bool:
        raise UserError(f"mask is {describe(mask)}, not bool[{shape[0]}, {shape[1]}]")
    return mask


def _check_range(name, grays):
    """Refuses pictures in [0, 1]: fractions of which none is above one."""
    if isinstance(grays, jax.core.Tracer) or not grays.size:
        return
    if grays.max() <= 1 and (grays != jnp.round(grays)).any():
        raise UserError(f"{name} lies in [0, 1], not in 0..255: {_MEND}")


def safe_sqrt(x: chex.Array) -> chex.Array:
    """Square root of x >= 0, of any shape, whose derivative at 0 is 0 instead of infinite."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def safe_power(x: chex.Array, exponent: float) -> chex.Array:
    """x to a power above 0, of any shape: 0 for x <= 0, where its derivative is 0, too."""
    nothing = x <= 0
    return jnp.where(nothing, 0.0, jnp.where(nothing, 1.0, x) ** exponent)


def safe_divide(numerator: chex.Array, denominator: chex.Array) -> chex.Array:
    """The quotient of arrays of any shape, 0 where the denominator is 0."""
    nonzero = denominator != 0
    return jnp.where(nonzero, numerator / jnp.where(nonzero, denominator, 1.0), 0.0)


def offset(images: chex.Array, region: Region | None = None) -> chex.Array:
    """Mean of every image f32[..., H, W], or of what is judged of a region of it: f32[..., 1, 1].

    Taken as a difference from the first pixel: exact for a constant image, and subtracting it
    leaves numbers small enough for float32 moments.
    """
    first = images[..., :1, :1]
    region = region or Region.of(images)
    return first + region.mean(images - first, axis=(-2, -1), keepdims=True)
