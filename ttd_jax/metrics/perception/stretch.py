"""The stretch before a model of the eye: a picture's darkest gray to 0, its brightest to 255."""

import functools
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax.metrics.region import Region

_GRAYS = 256
STRETCHES = ("rounded", "fractions", "exact")


def stretched(
    images: chex.Array, region: Region, how: str = "rounded"
) -> tuple[chex.Array, chex.Array]:
    """Images stretched to 0..255 and whether one is constant, f32[N, H, W] and bool[N].

    Args:
      images: f32[N, H, W] in 0..255, whole grays for the first two ways.
      region: all of its picture is stretched, whatever of it is judged; 0 beside.
      how: 'rounded' to whole grays, halves up; 'fractions', as well, but halves fall as they do for
        a program that divides by 255 first, in float64; 'exact', not rounded.

    Constant images become 0.
    """
    darkest = jnp.min(region.keep(images, 255.0), axis=(-2, -1), keepdims=True)
    brightest = jnp.max(region.keep(images, 0.0), axis=(-2, -1), keepdims=True)
    constant = brightest == darkest
    span = jnp.where(constant, 1.0, brightest - darkest)
    if how == "exact":
        return region.keep(255 * (images - darkest) / span), constant[:, 0, 0]
    # of whole numbers, so that halves are found however a device divides
    above = 510 * (images - darkest) + span
    quotient = above / (2 * span)
    nearest = jnp.round(quotient)
    half = 2 * span * nearest == above
    if how == "fractions":
        low = jax.vmap(_halves_down)(darkest[:, 0, 0], brightest[:, 0, 0])
        halves = nearest - jax.vmap(_bits)(low, images)
    else:
        halves = nearest
    return region.keep(jnp.where(half, halves, jnp.floor(quotient))), constant[:, 0, 0]


def _bits(words, image):
    """The bits of u32[8] that the grays of an image name, f32[H, W]; without a gather."""
    gray = image.astype(jnp.uint32)
    word = jnp.zeros_like(gray)
    for index in range(len(words)):
        word = jnp.where(gray >> 5 == index, words[index], word)
    return (word >> (gray & 31) & 1).astype(jnp.float32)


def _halves_down(darkest, brightest):
    """u32[8], a bit for each gray that falls on a half and is rounded down."""
    table, count, start = _rounded_down()
    darkest, brightest = darkest.astype(jnp.int32), brightest.astype(jnp.int32)
    span = brightest - darkest
    halves = jnp.asarray(count)[span]
    above = jnp.arange(_GRAYS) - darkest
    place = jnp.maximum(2 * halves * above // jnp.maximum(span, 1) - 1, 0) // 2
    bit = jnp.asarray(start)[span] + darkest * halves + place
    down = jnp.asarray(table)[bit >> 5] >> (bit & 31).astype(jnp.uint32) & 1
    places = jnp.arange(32, dtype=jnp.uint32)[None]
    return jnp.sum(down.reshape(8, 32) << places, axis=1, dtype=jnp.uint32)


@functools.cache
def _rounded_down():
    """Which halves float64 rounds down: a table of bits, and where each span's bits begin.

    Only even spans have halves: as many as `count` says, at odd multiples of span / (2 count)
    above the darkest gray. Their bits are in order of spans, darkest grays and halves.
    """
    fractions = np.arange(_GRAYS) / 255.0
    count, start, bits = np.zeros(_GRAYS, np.int32), np.zeros(_GRAYS, np.int32), []
    for span in range(2, _GRAYS, 2):
        count[span] = halves = math.gcd(span // 2, 255)
        start[span] = sum(map(len, bits))
        darkest = np.arange(_GRAYS - span)[:, None]
        gray = darkest + np.arange(1, 2 * halves, 2) * span // (2 * halves)
        low = fractions[darkest]
        level = 255 * ((fractions[gray] - low) / (fractions[darkest + span] - low))
        bits.append((level - np.floor(level) < 0.5).ravel())
    bits = np.packbits(np.concatenate(bits), bitorder="little")
    return np.pad(bits, (0, -len(bits) % 4)).view("<u4"), count, start
