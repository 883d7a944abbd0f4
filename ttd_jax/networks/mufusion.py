"""MUFusion: one dense encoder and decoder at two sizes, which is given both sources at once.

Source: Cheng et al., "MUFusion: A general unsupervised image fusion network based on memory unit",
Information Fusion 92, 2023; architecture read from AWCXV/MUFusion, ir_vis/net.py, and the tiles
from ir_vis/test_image.py.

The sources are concatenated before the first layer, so that nothing of a single one can be
weighed: it is fused statically. Its "components" are the network with one picture on both inputs.
"""

import functools
import math
from typing import ClassVar

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from ttd_jax.errors import UserError
from ttd_jax.networks.base import Network
from ttd_jax.networks.layers import PaddedConv
from ttd_jax.networks.layout import Layout, biased
from ttd_jax.networks.saving import Saving, join_ycbcr
from ttd_jax.networks.spec import FusionSpec, Reach, register_network
from ttd_jax.parts.part import WHOLE, Part
from ttd_jax.parts.tiles import unbind

TILE, STEP = 128, 124  # side of the authors' tiles, and from one to the next
# torch's bicubic by two: pixel 2k of these taps on k-2 .. k+1, pixel 2k + 1 of their mirror image
# on k-1 .. k+2. Its parameter is -0.75; `jax.image.resize` has -0.5.
_BICUBIC = np.float32([-0.03515625, 0.26171875, 0.87890625, -0.10546875])


class _Conv(PaddedConv):
    """A 3x3 convolution of several pictures side by side."""

    def __call__(self, *pictures, part=WHOLE):
        return super().__call__(jnp.concatenate(pictures, axis=-1), part)


class MUFusion(Network):
    """MUFusion; sources f32[2, H, W, 1], of which the network is given the second one first.

    That is the infrared picture, or the one with PET's or SPECT's colors. Pictures with an odd side
    go through it as its authors' do, in tiles of 128x128 whose outputs are averaged where they
    overlap; where one has no room for a tile, a mirrored row or column makes its side even.

    Attributes:
      min_size: the least H and W: a mirrored border of half the size needs a neighbor to mirror.
    """

    min_size: ClassVar[int] = 3
    separable: ClassVar[bool] = False

    def setup(self) -> None:
        conv = functools.partial(_Conv, size=3, pad_mode="reflect", precision=self.precision)
        full, half = (functools.partial(conv, n, activation=nn.relu) for n in (32, 64))
        self.conv1, self.conv2 = full(), full()
        self.conv3 = nn.Conv(64, (3, 3), 2, padding="VALID", precision=self.precision)
        self.conv4, self.conv5, self.conv6 = half(), half(), half()
        self.conv66, self.conv55, self.conv44, self.conv33 = half(), half(), half(), half()
        self.conv22 = full()
        self.conv11 = conv(1, activation=nn.tanh)

    def encode(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[2, H, W, 1], as they are.

        Raises:
          UserError: if there are not two sources of one channel, or a side is below 3 pixels.
        """
        del part
        small = any(side < self.min_size for side in x.shape[1:3])
        if x.ndim != 4 or (x.shape[0], x.shape[-1]) != (2, 1) or small:
            raise UserError(
                "MUFusion takes exactly two sources of one channel and at least "
                f"{self.min_size}x{self.min_size} pixels, f32[2, H, W, 1]: got shape {x.shape}"
            )
        return x

    def merge(self, features: chex.Array, weights: chex.Array, part: Part = WHOLE) -> chex.Array:
        """f32[2, H, W, 1] to f32[H, W, 2]; nothing is weighed."""
        del weights
        return part.map(_side_by_side, features)

    def decode(self, latent: chex.Array, x: chex.Array | None, part: Part = WHOLE) -> chex.Array:
        """f32[..., H, W, 2] to f32[..., H, W, 1] in [-1, 1]: the whole network; no residual."""
        del x
        sides, extent = latent.shape[-3:-1], part.extent
        if extent is None and all(side % 2 == 0 for side in sides):
            return self.whole(latent)
        size = sides if extent is None else tuple(extent)
        even = [jnp.arange(side + side % 2) for side in sides]
        pairs = zip(even, size, strict=True)  # the row that may be missing is mirrored
        latent = _take(latent, (jnp.where(n < s, n, jnp.maximum(s - 2, 0)) for n, s in pairs))
        if extent is not None:
            out = _by_size(unbind(self.whole), latent, extent)
        elif min(size) >= TILE and not self.is_initializing():
            out = self.tiled(latent, size)
        else:
            out = self.whole(latent)
        return out[..., : sides[0], : sides[1], :]

    def whole(self, x: chex.Array, part: Part = WHOLE) -> chex.Array:
        """Pictures of even sides, f32[..., H, W, 2] to f32[..., H, W, 1], in steps of half size."""
        part, x = part.halved(), _halve(x)
        enc3 = part.run(self.shrink, x, margin=2)
        enc4 = part.run(self.conv4, enc3, margin=1)
        enc5 = part.run(self.conv5, enc3, enc4, margin=1)
        enc6 = part.run(self.conv6, enc3, enc4, enc5, margin=1)
        dec6 = part.run(self.conv66, enc6, margin=1)
        dec5 = part.run(self.conv55, enc5, dec6, margin=1)
        dec4 = part.run(self.conv44, enc4, dec5, margin=1)
        dec3 = part.run(self.conv33, enc3, dec4, margin=1)
        return _double(part.run(self.grow, x, dec3, margin=3))

    def shrink(self, x: chex.Array, part: Part) -> chex.Array:
        """A part of half size of the sources, f32[..., h, w, 8], to enc3, f32[..., h, w, 64]."""
        enc1, enc2, full = self._encode(_double(x), part)
        both = jnp.concatenate([full.crop(enc1), enc2], axis=-1)
        # Windows have an even margin, of which an output's first pixel needs one.
        return nn.relu(self.conv3(full.pad(full.crop(both), "reflect")))

    def grow(self, x: chex.Array, dec3: chex.Array, part: Part) -> chex.Array:
        """The same and dec3, f32[..., h, w, 64], to a part of the picture, f32[..., h, w, 4]."""
        up = _upsample(part.pad(dec3, "edge", 2))
        # To compute these again costs a sixteenth of the whole, and no arrays of full size.
        enc1, enc2, full = self._encode(part.doubled().crop(_double(x), 2), part)
        dec2 = self.conv22(enc2, up, part=full)
        return _halve(self.conv11(full.crop(enc1, 2), dec2, part=full))

    def _encode(self, x, part):
        full = part.doubled()
        enc1 = self.conv1(x, part=full)
        return enc1, self.conv2(enc1, part=full), full

    def tiled(self, x: chex.Array, size: tuple[chex.Numeric, chex.Numeric]) -> chex.Array:
        """As its authors do: f32[..., H, W, 2] in tiles, averaged where they overlap.

        They begin at every 124th row and column, and there is a last one at the end, which counts
        twice where it begins at such a one, too.

        Args:
          x: sources; even sides.
          size: height and width of the picture in their top left corner, 128 or more.

        Returns:
          f32[..., H, W, 1]; anything beyond the picture.
        """
        module, method, variables = unbind(self.whole)
        *lead, height, width, _ = x.shape
        known = isinstance(size[0], int)
        due = tuple((side - TILE) // STEP + 2 for side in size)
        grid = due if known else tuple((side - TILE) // STEP + 2 for side in (height, width))

        def add(index, carry):
            place = index // grid[1], index % grid[1]
            start = [
                jnp.maximum(jnp.minimum(STEP * n, side - TILE), 0)
                for n, side in zip(place, size, strict=True)
            ]

            def add_tile(carry):
                tile = _take(x, (first + jnp.arange(TILE) for first in start))
                found = module.apply(variables, tile, method=method), jnp.ones((TILE, TILE, 1))
                return jax.tree.map(functools.partial(_add_at, start), carry, found)

            if known:
                return add_tile(carry)
            here = (place[0] < due[0]) & (place[1] < due[1])
            return jax.lax.cond(here, add_tile, lambda carry: carry, carry)

        zeros = jnp.zeros((*lead, height, width, 1)), jnp.zeros((height, width, 1))
        total, count = jax.lax.fori_loop(0, math.prod(grid), add, zeros)
        return total / jnp.maximum(count, 1)


def _by_size(unbound, x, size):
    """`whole` or `tiled` of pictures whose size is data; under `jax.vmap` one after the other."""
    module, whole, variables = unbound
    room = min(x.shape[-3:-1]) >= TILE

    def choose(variables, x, size):
        apply = functools.partial(module.apply, variables, x)
        even = functools.partial(apply, Part(size + size % 2), method=whole)
        if not room:
            return even()
        in_tiles = jnp.any(size % 2 == 1) & jnp.all(size >= TILE)
        tiled = functools.partial(apply, tuple(size), method="tiled")
        return jax.lax.cond(in_tiles, tiled, even)

    either = jax.custom_jvp(jax.custom_batching.sequential_vmap(choose))
    either.defjvp(lambda primals, tangents: jax.jvp(choose, primals, tangents))
    return either(variables, x, size)


def _side_by_side(features):
    return jnp.concatenate([features[1], features[0]], axis=-1)


def _take(x, places):
    """Rows and columns of f32[..., H, W, C]."""
    for axis, place in zip((-3, -2), places, strict=True):
        x = jnp.take(x, place, axis, mode="clip")
    return x


def _add_at(start, total, tile):
    at = (*[0] * (total.ndim - 3), *start, 0)
    held = jax.lax.dynamic_slice(total, at, tile.shape)
    return jax.lax.dynamic_update_slice(total, held + tile, at)


def _halve(x):
    """f32[..., 2 H, 2 W, C] to f32[..., H, W, 4 C]."""
    *lead, height, width, channels = x.shape
    x = x.reshape(*lead, height // 2, 2, width // 2, 2, channels)
    return jnp.swapaxes(x, -4, -3).reshape(*lead, height // 2, width // 2, 4 * channels)


def _double(x):
    """The inverse of `_halve`."""
    *lead, height, width, channels = x.shape
    x = x.reshape(*lead, height, width, 2, 2, channels // 4)
    return jnp.swapaxes(x, -4, -3).reshape(*lead, 2 * height, 2 * width, channels // 4)


def _upsample(x):
    """f32[..., H + 4, W + 4, C] to f32[..., 2 H, 2 W, C]."""
    for axis in (x.ndim - 3, x.ndim - 2):
        side = x.shape[axis] - 4
        near = [jax.lax.slice_in_dim(x, i, i + side, axis=axis) for i in range(5)]
        taps = [float(tap) for tap in _BICUBIC]
        even = sum(tap * one for tap, one in zip(taps, near[:4], strict=True))
        odd = sum(tap * one for tap, one in zip(taps[::-1], near[1:], strict=True))
        x = jnp.stack([even, odd], axis=axis + 1)
        x = x.reshape(*x.shape[:axis], 2 * side, *x.shape[axis + 2 :])
    return x


_LAYOUT = Layout(
    name="mufusion",
    table={
        key: target
        for name in (
            *("conv1", "conv2", "conv4", "conv5", "conv6"),
            *("conv66", "conv55", "conv44", "conv33", "conv22", "conv11"),
        )
        for key, target in biased(f"{name}.1", f"{name}/conv").items()
    }
    | biased("conv3.1", "conv3"),
)

# Name, file and task. The paper's row is of the one for TNO, by what it gives for MSRS.
for _name, _file, _task in (
    ("roadscene", "RoadScene.model", "infrared-visible"),
    ("tno", "TNO.model", "infrared-visible"),
    ("medical", "harvard.model", "medical"),
    ("exposure", "multi-exposure_Final.model", "multi-exposure"),
    ("focus", "multi-focus_Final.model", "multi-focus"),
):
    register_network(
        FusionSpec(
            name=f"mufusion_{_name}",
            build=MUFusion,
            layout=_LAYOUT,
            tasks=(_task,),
            channels=1,
            presets={},
            saving=Saving(
                join=join_ycbcr,
                merged=_task in ("multi-exposure", "multi-focus"),
                stretch=("gray",),
            ),
            source_count=2,
            min_size=MUFusion.min_size,
            stride=2,
            # Strips of odd pictures begin where tiles do, and hold all that reach what is kept.
            reach=Reach(0, picture=23, align=2, odd=Reach(0, picture=TILE, align=STEP)),
            published_as="MUFusion" if _name == "tno" else None,
            checkpoint=_file,
            license="MIT",
            paper="Cheng et al., MUFusion, Information Fusion 92 (2023) 80-92",
            note="its sources enter together: it fuses statically only; pictures with an odd side "
            "go through it in its authors' tiles of 128x128",
        )
    )
