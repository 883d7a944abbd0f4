"""Work on a picture tile by tile, for CPUs: what a tile needs in between stays in the cache.

On a CPU a chain of layers over a whole picture is bound by memory: its temporaries, a hundred
megabytes each, are written to pages that the system has to hand out anew at every run. Accelerators
gain nothing from tiles and lose parallelism.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import core

# Rows and columns of a tile at most: its widest temporaries (256 channels) take four megabytes,
# and a margin of one pixel adds 6 % to the work.
SIZE = (64, 64)


def pad_border(x: chex.Array, *, mode: str = "constant", margin: int = 1) -> chex.Array:
    """f32[..., H, W, C] to f32[..., H + 2 margin, W + 2 margin, C]; `mode` as in `jnp.pad`."""
    leading = [(0, 0)] * (x.ndim - 3)
    return jnp.pad(x, [*leading, (margin, margin), (margin, margin), (0, 0)], mode=mode)


@dataclasses.dataclass(frozen=True)
class Tile:
    """A part of one picture.

    Attributes:
      image: index of the picture.
      start: row and column of its first pixel.
      owned_from: row and column of the first pixel that no tile before it holds.
      shape: its height and width.
      picture: height and width of the picture.
      margin: how many pixels its windows reach beyond it, on each side.
    """

    image: jax.Array
    start: tuple[jax.Array, jax.Array]
    owned_from: tuple[jax.Array, jax.Array]
    shape: tuple[int, int]
    picture: tuple[int, int]
    margin: int

    def inside(self, margin: int | None = None) -> chex.Array:
        """bool[h, w, 1]: which pixels of a window with that margin lie within the picture."""
        margin = self.margin if margin is None else margin
        rows, columns = (
            (index >= 0) & (index < limit)
            for index, limit in zip(self._indices(margin), self.picture, strict=True)
        )
        return (rows[:, None] & columns)[..., None]

    def own(self, x: chex.Array) -> chex.Array:
        """f32[H, W, C] of the tile's pixels, zero where an earlier tile holds them too."""
        rows, columns = (
            index >= first for index, first in zip(self._indices(0), self.owned_from, strict=True)
        )
        return jnp.where((rows[:, None] & columns)[..., None], x, 0)

    def mend(self, window: chex.Array, mode: str, *, margin: int) -> chex.Array:
        """A window f32[h, w, C] with the pixels beside the picture repeated or mirrored.

        Only those that touch the picture: further ones hold anything.

        Args:
          window: with that margin.
          mode: 'edge' repeats the picture's outermost pixels, 'reflect' mirrors at them.
          margin: of the window.
        """
        inward = 1 if mode == "edge" else 2
        for axis, (start, size, limit) in enumerate(
            zip(self.start, self.shape, self.picture, strict=True)
        ):
            index = jnp.expand_dims(
                jnp.arange(size + 2 * margin), [i for i in range(3) if i != axis]
            )
            for place, source, touches in (
                (margin - 1, margin - 1 + inward, start == 0),
                (margin + size, margin + size - inward, start + size == limit),
            ):
                pixels = jax.lax.slice_in_dim(window, source, source + 1, axis=axis)
                window = jnp.where((index == place) & touches, pixels, window)
        return window

    def _indices(self, margin):
        return (
            start - margin + jnp.arange(size + 2 * margin)
            for start, size in zip(self.start, self.shape, strict=True)
        )


def locally(
    module: nn.Module,
    *pictures: chex.Array,
    plain: str,
    inner: str,
    margin: int,
    pad_mode: str | None = None,
) -> chex.Array:
    """What the method `plain` makes of pictures; on CPUs by one sweep of the method `inner`.

    Args:
      module: a bound module.
      *pictures: f32[..., H, W, C], with the same leading axes.
      plain: method that takes whole pictures.
      inner: see `sweep`.
      margin: how far, in pixels, the result depends on what is around it.
      pad_mode: see `sweep`.
    """

    def tiled(module, *pictures):
        return sweep(module, *pictures, inner=inner, margin=margin, pad_mode=pad_mode)[0]

    return on_cpu(module, *pictures, plain=plain, tiled=tiled)


def on_cpu(
    module: nn.Module, *pictures: chex.Array, plain: str, tiled: str | Callable[..., chex.Array]
) -> chex.Array:
    """What the method `plain` makes of pictures, on CPUs by `tiled`, where they exceed a tile.

    Under `jax.vmap` the tiled form takes one sample after the other. The derivative is that of the
    plain form: a loop would keep what every tile needs for it. Symbolic sizes are compared with a
    tile's once they are known, so that an exported program computes what the network does.

    Args:
      module: a bound module.
      *pictures: f32[..., H, W, C], with the same leading axes.
      plain: method of the module, by its name.
      tiled: method that makes the same by sweeps, or a function that takes the module first.
    """
    pixels, most = math.prod(pictures[0].shape[-3:-1]), math.prod(SIZE)
    symbolic = not isinstance(pixels, int)
    if module.is_initializing() or (not symbolic and pixels <= most):
        return getattr(module, plain)(*pictures)

    unbound = module.clone(parent=None)
    whole = functools.partial(unbound.apply, method=plain)
    in_turn = jax.custom_batching.sequential_vmap(functools.partial(unbound.apply, method=tiled))

    def by_size(*args):
        return jax.lax.cond(jnp.asarray(pixels) <= most, whole, in_turn, *args)

    @jax.custom_jvp
    def either(*args):
        tiles = by_size if symbolic else in_turn
        return jax.lax.platform_dependent(*args, cpu=tiles, default=whole)

    either.defjvp(lambda primals, tangents: jax.jvp(whole, primals, tangents))
    return either(module.variables, *pictures)


def sweep(
    module: nn.Module,
    *pictures: chex.Array,
    inner: str,
    margin: int,
    pad_mode: str | None = None,
    constants: Sequence[chex.Array] = (),
) -> tuple[chex.Array, Any]:
    """Runs a method over the tiles of pictures, one tile after the other.

    Args:
      module: a bound module.
      *pictures: f32[..., H, W, C], with the same leading axes.
      inner: the method: `(tile, *windows, *constants) -> (parts, sums)`. Windows are
        f32[h + 2 margin, w + 2 margin, C]; `parts` is f32[h, w, C] or several, side by side in
        their channels; `sums` is a pytree.
      margin: see above; at most half of `SIZE`.
      pad_mode: what windows hold outside of the picture: zeros, or as `jnp.pad` has it, for which
        a padded copy of the pictures is made: good for few channels, see `Tile.mend` for more.
      constants: arrays with the pictures' leading axes: each tile is given those of its picture.

    Returns:
      The parts put together, f32[..., H, W, C], and the sums over each picture's tiles, with
      the leading axes in front. Tiles overlap where sizes do not divide: see `Tile.own`.
    """
    *leading, height, width, _ = pictures[0].shape
    pictures = [picture.reshape(-1, *picture.shape[-3:]) for picture in pictures]
    constants = [array.reshape(-1, *array.shape[len(leading) :]) for array in constants]
    grid = tuple(-(-side // most) for side, most in zip((height, width), SIZE, strict=True))
    # Without `min`, symbolic sides could not be proven to hold a tile.
    shape = tuple(
        core.min_dim(-(-side // n), side) for side, n in zip((height, width), grid, strict=True)
    )
    if pad_mode is None:
        cut = _cut
    else:
        pictures = [pad_border(picture, mode=pad_mode, margin=margin) for picture in pictures]
        cut = _cut_padded
    # No bound module may be called within a loop.
    unbound, variables = module.clone(parent=None), module.variables

    @jax.jit  # traced once, for its shapes and for the loop
    def compute(index):
        image, place = index // math.prod(grid), index % math.prod(grid)
        first = (place // grid[1] * shape[0], place % grid[1] * shape[1])
        start = tuple(
            jnp.minimum(a, side - size)
            for a, side, size in zip(first, (height, width), shape, strict=True)
        )
        tile = Tile(image, start, first, shape, (height, width), margin)
        windows = (cut(picture, tile) for picture in pictures)
        own = (array[image] for array in constants)
        parts, sums = unbound.apply(variables, tile, *windows, *own, method=inner)
        return (image, *start), jax.tree.leaves(parts), sums

    def step(index, carry):
        whole, total = carry
        (image, *start), parts, sums = compute(index)
        channel = 0
        # One after the other: to write them side by side first would run unvectorized.
        for part in parts:
            at = (image, *start, channel)
            whole = jax.lax.dynamic_update_slice(whole, part[None], at)
            channel += part.shape[-1]
        return whole, jax.tree.map(lambda t, s: t.at[image].add(s), total, sums)

    _, parts, sums = jax.eval_shape(compute, jnp.int32(0))
    count, channels = pictures[0].shape[0], sum(part.shape[-1] for part in parts)
    # Every pixel will be written. Begun with a number of the input's, so that the compiler neither
    # shares one array of zeros among all sweeps of a program, copied by each, nor makes it early.
    anything = pictures[0][0, 0, 0, 0].astype(parts[0].dtype)
    whole = jnp.full((count, height, width, channels), anything)
    total = jax.tree.map(lambda s: jnp.zeros((count, *s.shape), s.dtype), sums)
    done = jax.lax.fori_loop(jnp.int32(0), count * math.prod(grid), step, (whole, total))
    return jax.tree.map(lambda leaf: leaf.reshape(*leading, *leaf.shape[1:]), done)


def _cut_padded(pictures, tile):
    sizes = (size + 2 * tile.margin for size in tile.shape)
    at, shape = (tile.image, *tile.start, 0), (1, *sizes, pictures.shape[-1])
    return jax.lax.dynamic_slice(pictures, at, shape)[0]


def _cut(pictures, tile):
    """A window cut out as far as the picture goes, then padded and shifted to its place."""
    margin = tile.margin
    sizes = (size + 2 * margin for size in tile.shape)
    sizes = tuple(core.min_dim(size, side) for size, side in zip(sizes, tile.picture, strict=True))
    at = tuple(
        jnp.clip(start - margin, 0, side - size)
        for start, side, size in zip(tile.start, tile.picture, sizes, strict=True)
    )
    here = dataclasses.replace(tile, start=at, shape=sizes, margin=0)
    window = pad_border(_cut_padded(pictures, here), margin=margin)
    shift = tuple(start - a for start, a in zip(tile.start, at, strict=True))
    return _cut_padded(window[None], dataclasses.replace(tile, image=0, start=shift))
