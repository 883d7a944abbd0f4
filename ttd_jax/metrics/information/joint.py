"""What the gray levels of two pictures have in common: helpers that metrics share.

Every metric of a program calls them alike, so that XLA counts each pair of pictures once.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax.metrics.histogram import LEVELS, joint_histogram
from ttd_jax.metrics.region import Region


def joint_with_fused(fused: chex.Array, sources: chex.Array, region: Region) -> chex.Array:
    """Joint histograms f32[M, 256, 256] of sources f32[M, H, W] (rows) and fused f32[H, W]."""
    return jax.vmap(lambda source: joint_histogram(source, fused, region))(sources)


def joint_of_sources(sources: chex.Array, region: Region) -> chex.Array:
    """Joint histograms f32[M (M - 1) / 2, 256, 256] of every two sources, in order of pairs."""
    if len(sources) == 1:
        return jnp.zeros((0, LEVELS, LEVELS), jnp.float32)
    first, second = (sources[index] for index in np.triu_indices(len(sources), 1))
    return jax.vmap(lambda a, b: joint_histogram(a, b, region))(first, second)


def shared_information(joint: chex.Array, counted: chex.Array) -> chex.Array:
    """f32[...] of joint probabilities f32[..., 256, 256], in nats.

    As one sum of logarithms of ratios: the difference of entropies would cancel in float32.

    Args:
      joint: of every two grays.
      counted: of those that are counted as one with them: the same, or `merge_whites` of it.
    """
    independent = jnp.sum(joint, axis=-2, keepdims=True) * jnp.sum(joint, axis=-1, keepdims=True)
    occurs = joint > 0
    ratio = jnp.where(occurs, counted, 1.0) / jnp.where(occurs, independent, 1.0)
    return jnp.sum(joint * jnp.log(ratio), axis=(-2, -1))


def merge_whites(joint: chex.Array) -> chex.Array:
    """Joint probabilities f32[..., 256, 256] of which those of 254 and 255 are their sum."""
    for axis in (-2, -1):
        rest, whites = jnp.split(joint, [LEVELS - 2], axis=axis)
        whites = jnp.broadcast_to(jnp.sum(whites, axis=axis, keepdims=True), whites.shape)
        joint = jnp.concatenate([rest, whites], axis=axis)
    return joint


def stretched_levels(images: chex.Array, region: Region) -> tuple[chex.Array, chex.Array]:
    """Where a stretch puts each gray: the darkest of an image at 0, the brightest at 255.

    round(255 (x - min) / (max - min)), halves up, exactly; no two grays of an image become one.

    Args:
      images: f32[..., H, W], whole grays.
      region: of which all of the picture is stretched, whatever of it is judged.

    Returns:
      f32[..., 256], the grays themselves for a black image; and bool[...], whether an image is
      constant but not black, so that its stretch is 0 / 0.
    """
    images = jnp.round(images)
    darkest = jnp.min(region.keep(images, jnp.inf), axis=(-2, -1))[..., None]
    brightest = jnp.max(region.keep(images, -jnp.inf), axis=(-2, -1))[..., None]
    span = brightest - darkest
    grays = jnp.broadcast_to(jnp.arange(LEVELS, dtype=jnp.float32), (*span.shape[:-1], LEVELS))
    # a quotient of whole numbers that is no whole one is off by more than half of 1 / divisor
    levels = jnp.floor((510 * (grays - darkest) + span + 0.5) / jnp.where(span > 0, 2 * span, 1.0))
    constant = (span == 0) & (brightest > 0)
    return jnp.where(span > 0, levels, grays), constant[..., 0]
