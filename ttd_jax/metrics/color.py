"""How protocols score pictures of three channels with metrics of one.

A rule takes a metric's function, fused f32[H, W] or f32[3, H, W], sources f32[M, H, W] or
f32[M, 3, H, W] (zeros beyond an extent), and the function's `extent` and `mask`.
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from ttd_jax.metrics.gray import matlab_gray

Function = Callable[..., jax.Array]


def each_channel(
    function: Function, fused: chex.Array, sources: chex.Array | None, **options: chex.Array
) -> chex.Array:
    """The mean over the channels of f32[3, H, W], each against the same one of every source.

    Gray sources are what all channels are compared with, and a gray fused picture is compared with
    the sources' gray.
    """
    if fused.ndim == 2:
        return function(fused, _gray(sources, axis=1), **options)
    if sources is None or sources.ndim == 3:
        figures = jax.vmap(lambda own: function(own, sources, **options))(fused)
    else:
        score = jax.vmap(lambda own, others: function(own, others, **options), in_axes=(0, 1))
        figures = score(fused, sources)
    return jnp.mean(figures)


def red_of_gray_sources(
    function: Function, fused: chex.Array, sources: chex.Array | None, **options: chex.Array
) -> chex.Array:
    """As `each_channel`, but beside gray f32[M, H, W] only the red channel is looked at."""
    if fused.ndim == 3 and sources is not None and sources.ndim == 3:
        return function(fused[0], sources, **options)
    return each_channel(function, fused, sources, **options)


def gray_of_gray_sources(
    function: Function, fused: chex.Array, sources: chex.Array | None, **options: chex.Array
) -> chex.Array:
    """As `each_channel`, but beside gray f32[M, H, W] the fused picture's gray is looked at."""
    if fused.ndim == 3 and sources is not None and sources.ndim == 3:
        return in_gray(function, fused, sources, **options)
    return each_channel(function, fused, sources, **options)


def in_gray(
    function: Function, fused: chex.Array, sources: chex.Array | None, **options: chex.Array
) -> chex.Array:
    """Grays f32[H, W] are compared: MATLAB's, rounded."""
    if fused.ndim == 3:
        fused = _gray(fused, axis=0)
    if sources is not None and sources.ndim == 4:
        sources = _gray(sources, axis=1)
    return function(fused, sources, **options)


def side_by_side(
    function: Function, fused: chex.Array, sources: chex.Array | None, **options: chex.Array
) -> chex.Array:
    """Red, green and blue as one picture f32[H, 3 W], for what needs no sources."""
    if fused.ndim == 2:
        return function(fused, None, **options)
    extent, mask = options.get("extent"), options.get("mask")
    width = fused.shape[-1] if extent is None else extent[1]
    if mask is not None:
        options["mask"] = _beside(jnp.broadcast_to(mask, fused.shape), width)
    if extent is not None:
        options["extent"] = jnp.asarray(extent) * jnp.array([1, 3])
    return function(_beside(fused, width), None, **options)


def _beside(planes, width):
    """[H, 3 W] of [3, H, W]: each plane begins where the one before ends, which may be data."""
    if isinstance(width, int):
        return jnp.concatenate(tuple(planes), axis=-1)
    wide = jnp.pad(planes, ((0, 0), (0, 0), (0, 2 * planes.shape[-1])))
    red, green, blue = (jnp.roll(wide[index], index * width, axis=-1) for index in range(3))
    return red | green | blue if wide.dtype == bool else red + green + blue


def _gray(planes, axis):
    return matlab_gray(*jnp.moveaxis(planes, axis, 0).astype(jnp.int32)).astype(jnp.float32)
