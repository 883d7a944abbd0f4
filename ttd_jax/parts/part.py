"""A part: which pixels of a picture an array holds, as the layers of a network need to know it.

A network is written once, as steps that look at few pixels around each and at sums over all. Who
runs it decides what its arrays hold: see `ttd_jax.parts`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from ttd_jax.parts.border import fill_border, inside, pad_border
from ttd_jax.parts.tiles import is_tile, joined, run_in_tiles, unbind


@struct.dataclass
class Part:
    """A whole picture, in the top left corner of arrays that may be larger. A pytree.

    Attributes:
      extent: i32[2], height and width of the picture; None where arrays hold nothing else. Beyond
        it they hold anything finite.
      owned: i32[2, 2], from which row and column on, and up to which, excluded, pixels count in
        sums; None for all of the picture's.
    """

    extent: chex.Array | None = None
    owned: chex.Array | None = None

    def halved(self) -> "Part":
        """Of the picture at half its size, for layers after a stride; nothing is owned."""
        return Part(None if self.extent is None else self.extent // 2)

    def doubled(self) -> "Part":
        """Of the picture at twice its size, for layers before a stride; nothing is owned."""
        return Part(None if self.extent is None else self.extent * 2)

    def pad(self, x: chex.Array, mode: str = "constant", margin: int = 1) -> chex.Array:
        """Pixels and what lies around them, for a layer that uses it up.

        Args:
          x: f32[..., h, w, C].
          mode: what lies beside the picture: 'constant' (zeros), 'edge' or 'reflect'.
          margin: how many pixels are needed on each side.
        """
        if self.extent is None:
            return pad_border(x, mode=mode, margin=margin)
        start, stop = (margin, margin), tuple(margin + side for side in self.extent)
        return fill_border(pad_border(x, margin=margin), mode, start, stop, margin=margin)

    def crop(self, x: chex.Array, margin: int = 1) -> chex.Array:
        """The pixels that are left by a layer that used up a margin, for a skip connection."""
        del margin
        return x

    def own(self, x: chex.Array, otherwise: chex.Numeric = 0) -> chex.Array:
        """f32[..., h, w, C] with another value where pixels do not count."""
        counts = self.counts(x.shape[-3:-1])
        return x if counts is None else jnp.where(counts[..., None], x, otherwise)

    def counts(self, shape: tuple[int, int]) -> chex.Array | None:
        """bool[h, w], which pixels of arrays of a shape count in sums; None where all do."""
        if self.owned is None and self.extent is None:
            return None
        start, stop = ((0, 0), self.extent) if self.owned is None else self.owned
        return inside(shape, start, stop)[..., 0]

    def mean(self, x: chex.Array) -> chex.Array:
        """The mean of f32[..., h, w, C] over the picture, f32[..., 1, 1, C]."""
        if self.extent is None:
            return jnp.mean(x, axis=(-3, -2), keepdims=True)
        return jnp.sum(self.own(x), axis=(-3, -2), keepdims=True) / jnp.prod(self.extent)

    def extremes(self, x: chex.Array) -> tuple[chex.Array, chex.Array]:
        """The least and the greatest value in the picture, two f32[]."""
        return jnp.min(self.own(x, jnp.inf)), jnp.max(self.own(x, -jnp.inf))

    def run(
        self,
        step: Callable[..., Any],
        *pictures: chex.Array,
        margin: int = 0,
        constants: Sequence[chex.Array] = (),
    ) -> chex.Array:
        """What a step makes of pictures.

        Args:
          step: a bound module, or a bound method of one: `(*pictures, *constants, part=)` to
            f32[..., h, w, C], or to several of them, which are put side by side in their channels.
          *pictures: f32[..., h, w, C], with the same leading axes.
          margin: how many pixels around each the step looks at.
          constants: arrays with the pictures' leading axes.
        """
        return self._run(step, pictures, margin, constants, sums=False)[0]

    def measure(
        self,
        step: Callable[..., Any],
        *pictures: chex.Array,
        margin: int = 0,
        constants: Sequence[chex.Array] = (),
    ) -> tuple[chex.Array, Any]:
        """As `run`, of a step that gives `(pictures, sums)`: a pytree, summed over own pixels."""
        return self._run(step, pictures, margin, constants, sums=True)

    def map(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function of single pixels makes of pictures.

        Args:
          function: one that lives in a file, a `functools.partial` of such, or a bound method that
            needs no variables.
          *arguments: f32[..., h, w, C] or f32[..., h, w], and arrays for all pixels.
        """
        return function(*arguments)

    def repeat(self, modules: Sequence[nn.Module], x: chex.Array) -> chex.Array:
        """Bound modules that differ in their variables only, one after the other: traced once."""
        if not modules or modules[0].is_initializing():
            for module in modules:
                x = module(x, part=self)
            return x
        apply = jax.jit(modules[0].clone(parent=None, name=None).apply)
        for module in modules:
            x = apply(module.variables, x, part=self)
        return x

    def keep(self, x: chex.Array) -> chex.Array:
        """Pictures that are read often: whoever puts steps off shall hold them, once computed."""
        return x

    def temporary(self, x: chex.Array) -> chex.Array:
        """Pictures of which nothing but the next ones that are kept is made, in their place."""
        return x

    def _run(self, step, pictures, margin, constants, *, sums):
        module = step if isinstance(step, nn.Module) else step.__self__
        if module.is_initializing() or is_tile(pictures[0]):
            found = step(*pictures, *constants, part=self)
            found, total = found if sums else (found, ())
            return joined(found), total
        own = unbind(step)
        return run_in_tiles(self, own, pictures, margin=margin, constants=constants, sums=sums)


WHOLE = Part()
