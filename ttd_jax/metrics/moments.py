"""Variances and correlations of whole images."""

import chex
import jax.numpy as jnp

from ttd_jax.metrics.inputs import offset
from ttd_jax.metrics.region import Region

# Below this an image is constant: float32 rounding of grays leaves 1e-10, while one pixel of a
# gigapixel image that is off by one gray has 1e-9.
_NO_VARIANCE = 1e-9


def covariance(first: chex.Array, second: chex.Array, region: Region) -> chex.Array:
    """Population covariance of images f32[..., H, W] where they are judged, f32[...]."""
    first, second = (images - offset(images, region) for images in (first, second))
    return region.mean(first * second, axis=(-2, -1))


def correlate(
    first: chex.Array, second: chex.Array, region: Region, *, strict: bool = False
) -> chex.Array:
    """Pearson's correlation of f32[..., H, W], f32[...]; 0 where an image has no variance.

    Strictly, NaN there.
    """
    variances = covariance(first, first, region), covariance(second, second, region)
    varied = (variances[0] > _NO_VARIANCE) & (variances[1] > _NO_VARIANCE)
    # two roots: the product of two variances is no float32 where both are small
    scale = jnp.prod(jnp.stack([jnp.sqrt(jnp.where(varied, v, 1.0)) for v in variances]), axis=0)
    value = jnp.clip(covariance(first, second, region) / scale, -1.0, 1.0)
    return jnp.where(varied, value, jnp.nan if strict else 0.0)
