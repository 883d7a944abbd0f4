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

from ttd_jax.parts.border import gather_border, inside, pad_border

# Rows and columns of a tile at most: its widest temporaries (256 channels) take four megabytes,
# and a margin of one pixel adds 6 % to the work.
SIZE = (64, 64)


@dataclasses.dataclass(frozen=True)
class Tile:
    """A part of one picture in arrays that hold what is around it as well; see `Part`.

    Attributes:
      start: row and column of its first pixel.
      shape: its height and width.
      picture: height and width of the picture.
      owned: from which row and column of the picture on, and up to which, excluded, pixels count:
        those that no tile before it holds.
    """

    start: tuple[chex.Numeric, chex.Numeric]
    shape: tuple[int, int]
    picture: tuple[chex.Numeric, chex.Numeric]
    owned: tuple[tuple[chex.Numeric, chex.Numeric], tuple[chex.Numeric, chex.Numeric]]

    def doubled(self) -> "Tile":
        """The same of the picture at twice its size; nothing is owned."""
        start, shape, picture = (
            tuple(2 * side for side in pair) for pair in (self.start, self.shape, self.picture)
        )
        return Tile(start, shape, picture, owned=((0, 0), (0, 0)))

    def pad(self, x: chex.Array, mode: str = "constant", margin: int = 1) -> chex.Array:
        """The array itself, with what the rule says beside the picture."""
        del margin
        margins = ((side - own) // 2 for side, own in zip(x.shape[-3:-1], self.shape, strict=True))
        start = tuple(beside - first for beside, first in zip(margins, self.start, strict=True))
        stop = tuple(first + side for first, side in zip(start, self.picture, strict=True))
        return gather_border(x, mode, start, stop)

    def crop(self, x: chex.Array, margin: int = 1) -> chex.Array:
        """The array without a margin."""
        return x[..., margin:-margin, margin:-margin, :]

    def own(self, x: chex.Array, otherwise: chex.Numeric = 0) -> chex.Array:
        """The tile's pixels, something else where an earlier tile holds them too."""
        start, stop = (
            tuple(place - first for place, first in zip(places, self.start, strict=True))
            for places in self.owned
        )
        return jnp.where(inside(x.shape[-3:-1], start, stop), x, otherwise)


def joined(pictures: chex.Array | Sequence[chex.Array]) -> chex.Array:
    """What a step gives, as one array."""
    return jnp.concatenate(pictures, axis=-1) if isinstance(pictures, tuple) else pictures


def unbind(step: Callable[..., Any]) -> tuple[nn.Module, Callable[..., Any], Any]:
    """A bound module, or a bound method of one, as `(unbound module, method, variables)`."""
    if isinstance(step, nn.Module):
        return step.clone(parent=None, name=None), type(step).__call__, step.variables
    module = step.__self__
    return module.clone(parent=None, name=None), step.__func__, module.variables


def run_in_tiles(
    part: Any,
    unbound: tuple[nn.Module, Callable[..., Any], Any],
    pictures: Sequence[chex.Array],
    *,
    margin: int,
    constants: Sequence[chex.Array],
    sums: bool,
) -> tuple[chex.Array, Any]:
    """What a step makes of pictures; on CPUs tile by tile, where they exceed one.

    Under `jax.vmap` tiles take one sample after the other. The derivative is that of the whole: a
    loop would keep what every tile needs for it. Symbolic sizes are compared with a tile's once
    they are known, so that an exported program computes what the network does.

    Args:
      part: which pixels of the pictures the arrays hold, a `ttd_jax.parts.part.Part`.
      unbound: the step; see `unbind`.
      pictures: see `Part.run`.
      margin: see there; at most half of `SIZE`.
      constants: see there.
      sums: whether the step gives sums beside its pictures.
    """
    module, method, variables = unbound

    def apply(variables, part, *args):
        found = module.apply(variables, *args, part=part, method=method)
        return found if sums else (found, ())

    def whole(variables, part, pictures, constants):
        found, total = apply(variables, part, *pictures, *constants)
        return joined(found), total

    @jax.custom_batching.sequential_vmap
    def in_turn(variables, part, pictures, constants):
        return _sweep(part, functools.partial(apply, variables), pictures, constants, margin)

    def by_size(*args):
        return jax.lax.cond(jnp.asarray(pixels) <= most, whole, in_turn, *args)

    @jax.custom_jvp
    def either(*args):
        tiles = in_turn if isinstance(pixels, int) else by_size
        return jax.lax.platform_dependent(*args, cpu=tiles, default=whole)

    either.defjvp(lambda primals, tangents: jax.jvp(whole, primals, tangents))
    pixels, most = math.prod(pictures[0].shape[-3:-1]), math.prod(SIZE)
    run = whole if is_tile(pictures[0]) else either
    return run(variables, part, tuple(pictures), tuple(constants))


def is_tile(picture: chex.Array) -> bool:
    """Whether a picture f32[..., H, W, C] is known to be no larger than a tile."""
    pixels = math.prod(picture.shape[-3:-1])
    return isinstance(pixels, int) and pixels <= math.prod(SIZE)


def _sweep(part, apply, pictures, constants, margin):
    """Runs a function over the tiles of pictures, one tile after the other.

    Args:
      part: which pixels of the pictures the arrays hold.
      apply: `(tile, *windows, *constants) -> (parts, sums)`. Windows are
        f32[h + 2 margin, w + 2 margin, C].
      pictures: f32[..., H, W, C].
      constants: arrays with the pictures' leading axes: each tile is given those of its picture.
      margin: see above.

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
    size = (height, width)
    if part.extent is not None:
        size = tuple(part.extent)
        grid = tuple(-(-side // most) for side, most in zip(size, shape, strict=True))
    owned = ((0, 0), size) if part.owned is None else part.owned

    @jax.jit  # traced once, for its shapes and for the loop
    def compute(index):
        image, place = index // math.prod(grid), index % math.prod(grid)
        first = (place // grid[1] * shape[0], place % grid[1] * shape[1])
        start = tuple(
            jnp.maximum(jnp.minimum(a, side - most), 0)
            for a, side, most in zip(first, size, shape, strict=True)
        )
        own = tuple(map(jnp.maximum, first, owned[0])), owned[1]
        tile = Tile(start, shape, size, own)
        windows = (_cut(picture, image, tile, margin) for picture in pictures)
        parts, sums = apply(tile, *windows, *(array[image] for array in constants))
        return (image, *start), jax.tree.leaves(parts), sums

    def step(index, carry):
        whole, total = carry
        (image, *start), parts, sums = compute(index)
        channel = 0
        # One after the other: to write them side by side first would run unvectorized.
        for part in parts:
            at = (image, *start, channel)
            whole = jax.lax.dynamic_update_slice(
                whole, part[None], at, allow_negative_indices=False
            )
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


def _cut(pictures, image, tile, margin):
    """A window cut out as far as the array goes, then padded and shifted to its place."""
    _, *sides, channels = pictures.shape
    window = tuple(side + 2 * margin for side in tile.shape)
    shape = tuple(map(core.min_dim, window, sides))
    at = tuple(
        jnp.clip(start - margin, 0, side - held)
        for start, side, held in zip(tile.start, sides, shape, strict=True)
    )
    take = functools.partial(jax.lax.dynamic_slice, allow_negative_indices=False)
    held = take(pictures, (image, *at, 0), (1, *shape, channels))[0]
    shift = (start - first for start, first in zip(tile.start, at, strict=True))
    padded = pad_border(held, margin=margin)
    return take(padded, (*shift, 0), (*window, channels))
