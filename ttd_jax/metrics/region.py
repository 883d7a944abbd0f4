"""Where a picture lies in arrays [..., H, W]: everywhere, or in a part whose size is data."""

import dataclasses
import math
from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax.metrics import filters
from ttd_jax.parts.border import fill_border, inside

Extent = chex.Array | None  # i32[2], height and width; None where arrays hold nothing else
Mask = chex.Array | None  # bool[H, W], the pixels that are judged; None for all of the picture


def divisor(count: chex.Numeric) -> chex.Numeric:
    """A count to divide by, an int or i32 of any shape, as f32 then: 1 where there is nothing."""
    return max(count, 1) if isinstance(count, int) else jnp.maximum(count, 1).astype(jnp.float32)


@dataclasses.dataclass(frozen=True)
class Region:
    """The top left part of arrays [..., H, W] that is the picture, and what of it is judged.

    Windows, derivatives and filters see all of the picture; what is counted, summed and averaged
    are the pixels of the mask. Where both are all of the arrays, every method is what `jax.numpy`
    has for whole arrays.

    Attributes:
      sides: height and width of the picture; i32[] each where they are data.
      whole: the arrays hold nothing else.
      mask: bool[H, W], see `Mask`.
    """

    sides: tuple[chex.Numeric, chex.Numeric]
    whole: bool = True
    mask: Mask = None

    @classmethod
    def of(cls, images: chex.Array, extent: Extent = None, mask: Mask = None) -> "Region":
        """That of pictures [..., H, W] whose height and width are an extent's."""
        if extent is None:
            return cls(images.shape[-2:], mask=mask)
        return cls(tuple(extent), whole=False, mask=mask)

    @property
    def size(self) -> chex.Numeric:
        """How many pixels are judged."""
        if self.mask is None:
            return math.prod(self.sides)
        return jnp.sum(self.keep(self.mask, beside=False), dtype=jnp.int32)

    def shorter(self, axis: int, count: chex.Numeric) -> "Region":
        """That without its last `count` rows (axis 0) or columns (1)."""
        sides = list(self.sides)
        sides[axis] = sides[axis] - count
        return self._smaller(tuple(sides), self.mask)

    def windows(self, side: chex.Numeric, *, stride: int = 1) -> "Region":
        """That of windows: each `stride`-th of a side that lies in this one, at its first pixel.

        They are judged where their middle is.
        """
        sides = tuple((length - side) // stride + 1 for length in self.sides)
        mask = self.mask
        if mask is not None:
            mask = jnp.roll(mask, (-(side // 2), -(side // 2)), axis=(0, 1))[::stride, ::stride]
        return self._smaller(sides, mask)

    def _smaller(self, sides, mask):
        if self.whole and mask is not None:
            mask = mask[: sides[0], : sides[1]]
        return dataclasses.replace(self, sides=sides, mask=mask)

    def window(
        self, size: int, make: Callable[[int], np.ndarray]
    ) -> tuple[chex.Numeric, np.ndarray | chex.Array]:
        """The largest window side that is at most `size` and fits, odd where `size` is; its taps.

        Returns:
          The side, and what `make` gives for it; where it is data, f32[size] that ends in zeros.
        """
        if self.whole:
            side = filters.fit(size, self.sides)
            return side, make(side)
        step = 1 + size % 2
        table = [np.pad(make(side), (0, size - side)) for side in range(1, size + 1, step)]
        row = (jnp.minimum(size, jnp.minimum(*self.sides)) - 1) // step
        # XLA would look them up again for each pixel.
        taps = jax.lax.optimization_barrier(jnp.asarray(table, jnp.float32)[row])
        return step * row + 1, taps

    def keep(self, x: chex.Array, beside: chex.Numeric | chex.Array = 0) -> chex.Array:
        """An array [..., H, W], with `beside` for what lies beyond the picture."""
        if self.whole:
            return x
        picture = inside(x.shape[-2:], (0, 0), self.sides)[..., 0]
        return jnp.where(jnp.expand_dims(picture, range(x.ndim - 2)), x, beside)

    def counted(self, x: chex.Array, beside: chex.Numeric | chex.Array = 0) -> chex.Array:
        """An array [..., H, W], with `beside` for what is not judged."""
        x = self.keep(x, beside)
        if self.mask is None:
            return x
        judged = self.mask[: x.shape[-2], : x.shape[-1]]  # data sizes: arrays may end sooner
        return jnp.where(jnp.expand_dims(judged, range(x.ndim - 2)), x, beside)

    def repeat_edge(self, images: chex.Array) -> chex.Array:
        """Arrays [..., H, W] with the outermost pixels of the region repeated beside it."""
        if self.whole:
            return images
        return fill_border(images[..., None], "edge", (0, 0), self.sides)[..., 0]

    def mean(
        self, x: chex.Array, axis: tuple[int, int] | None = None, *, keepdims: bool = False
    ) -> chex.Array:
        """Mean over what is judged, of each image (`axis` is (-2, -1)) or of all of [..., H, W].

        NaN where a mask leaves nothing.
        """
        if self.whole and self.mask is None:
            return jnp.mean(x, axis=axis, keepdims=keepdims)
        total = jnp.sum(self.counted(x), axis=axis, keepdims=keepdims)
        planes = x.size // (total.size * math.prod(x.shape[-2:]))
        return self.told(total / divisor(planes * self.size))

    def told(self, figure: chex.Array) -> chex.Array:
        """A figure of any shape, NaN where a mask leaves nothing that is judged."""
        return figure if self.mask is None else jnp.where(self.size > 0, figure, jnp.nan)
