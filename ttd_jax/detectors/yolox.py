"""YOLOX: a one-stage detector of objects without anchor boxes.

Source: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv:2107.08430; layout read from
Megvii-BaseDetection/YOLOX, yolox/models.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import chex
import jax
import jax.numpy as jnp
from flax import linen as nn

from ttd_jax.detectors import yolox_blocks as blocks
from ttd_jax.detectors.yolox_blocks import Conv, Conv3x3, ConvSettings, CrossStage
from ttd_jax.errors import UserError

STRIDES = (8, 16, 32)
# Of the scores before training: an object is rare.
PRIOR = -math.log((1 - 0.01) / 0.01)


class Darknet(nn.Module):
    """The backbone: features of a picture at 1/8, 1/16 and 1/32 of its size."""

    width: float
    depth: float
    settings: ConvSettings

    @nn.compact
    def __call__(self, x: chex.Array, *, train: bool = False) -> tuple[chex.Array, ...]:
        """f32[..., H, W, 3] to three of f32[..., H / s, W / s, channels], finest first."""
        base, depth = int(self.width * 64), max(round(self.depth * 3), 1)
        x = blocks.Focus(base, self.settings, name="stem")(x, train=train)
        found = []
        for level, repeats in zip(range(2, 6), (1, 3, 3, 1), strict=True):
            features, last = base * 2 ** (level - 1), level == 5
            down = Conv3x3(features, 2, self.settings, name=f"dark{level}_down")
            x = down(x, train=train)
            if last:
                pool = blocks.SpatialPyramid(features, self.settings, name="dark5_pyramid")
                x = pool(x, train=train)
            stage = CrossStage(
                features, repeats * depth, not last, self.settings, name=f"dark{level}_stage"
            )
            x = stage(x, train=train)
            found.append(x)
        return tuple(found[1:])


class Pyramid(nn.Module):
    """The neck: coarse features go up to the fine ones, then fine ones down (PAFPN)."""

    width: float
    depth: float
    settings: ConvSettings

    @nn.compact
    def __call__(
        self, features: Sequence[chex.Array], *, train: bool = False
    ) -> tuple[chex.Array, ...]:
        """Three levels to three of the same shapes, finest first."""
        fine, middle, coarse = features
        channels = [int(self.width * c) for c in (256, 512, 1024)]

        def stage(x, level, name):
            block = CrossStage(
                channels[level], round(3 * self.depth), False, self.settings, name=name
            )
            return block(x, train=train)

        def reduce(x, level, name):
            return Conv(channels[level], settings=self.settings, name=name)(x, train=train)

        def shrink(x, level, name):
            return Conv3x3(channels[level], 2, self.settings, name=name)(x, train=train)

        def join(*parts):
            return jnp.concatenate(parts, axis=-1)

        coarse = reduce(coarse, 1, "lateral")
        middle = reduce(stage(join(blocks.upsample(coarse), middle), 1, "up_middle"), 0, "reduce")
        fine = stage(join(blocks.upsample(middle), fine), 0, "up_fine")
        middle = stage(join(shrink(fine, 0, "shrink_fine"), middle), 1, "down_middle")
        coarse = stage(join(shrink(middle, 1, "shrink_middle"), coarse), 2, "down_coarse")
        return fine, middle, coarse


class Head(nn.Module):
    """The head of one level: boxes and objectness apart from the classes."""

    num_classes: int
    width: float
    settings: ConvSettings

    @nn.compact
    def __call__(self, x: chex.Array, *, train: bool = False) -> chex.Array:
        """f32[..., h, w, channels] to f32[..., h, w, 5 + classes]: box, object, classes."""
        features = int(256 * self.width)
        x = Conv(features, settings=self.settings, name="stem")(x, train=train)

        def branch(name):
            out = x
            for index in range(2):
                conv = Conv3x3(features, settings=self.settings, name=f"{name}_conv{index}")
                out = conv(out, train=train)
            return out

        dense = functools.partial(nn.Dense, precision=self.settings.precision)
        rare = functools.partial(dense, bias_init=nn.initializers.constant(PRIOR))
        regression = branch("box")
        box = dense(4, name="box")(regression)
        objectness = rare(1, name="objectness")(regression)
        classes = rare(self.num_classes, name="class")(branch("class"))
        return jnp.concatenate([box, objectness, classes], axis=-1)


class YOLOX(nn.Module):
    """YOLOX of any width and depth; a picture f32[..., H, W, 3], H and W multiples of 32.

    BatchNorms use their stored statistics unless `train` is set: those of the whole batch are then
    needed, from the leading axes or from mapped axes called `axis_name`.

    Attributes:
      num_classes: how many kinds of objects it tells apart.
      width: of all layers, as a part of the largest network's channels.
      depth: of all stages, as a part of the largest network's blocks.
      depthwise: split 3x3 convolutions, as nano does.
      precision: of convolutions and matrix products; see `ttd_jax.networks.Network`.
      axis_name: of mapped axes, one or several, whose samples form a batch while training.
      min_size: the least height and width, and what they must be multiples of.
    """

    num_classes: int = 80
    width: float = 0.25
    depth: float = 0.33
    depthwise: bool = False
    precision: Any = jax.lax.Precision.HIGHEST
    axis_name: Any = None
    min_size: ClassVar[int] = STRIDES[-1]

    def setup(self) -> None:
        settings = ConvSettings(
            depthwise=self.depthwise, precision=self.precision, axis_name=self.axis_name
        )
        self.backbone = Darknet(self.width, self.depth, settings)
        self.neck = Pyramid(self.width, self.depth, settings)
        self.heads = [Head(self.num_classes, self.width, settings) for _ in STRIDES]

    def __call__(self, x: chex.Array, *, train: bool = False) -> tuple[chex.Array, ...]:
        """The raw predictions of three levels, finest first.

        Args:
          x: f32[..., H, W, 3] in the network's domain: see `ttd_jax.detection.preparation`.
          train: normalize with the batch's statistics, and update 'batch_stats' where mutable.

        Returns:
          For each stride s of 8, 16, 32 f32[..., H / s, W / s, 5 + num_classes]: offsets x and y
          and logarithmic sizes w and h in units of s, logits of being an object and of each class.

        Raises:
          UserError: for another number of channels, or sides that are no multiples of 32.
        """
        step, sides = self.min_size, x.shape[-3:-1]
        if x.ndim < 3 or x.shape[-1] != 3 or any(side < 1 or side % step for side in sides):
            raise UserError(
                "YOLOX takes pictures of three channels whose sides are multiples of "
                f"{step} pixels, f32[H, W, 3]: got shape {x.shape}"
            )
        levels = self.neck(self.backbone(x, train=train), train=train)
        return tuple(
            head(level, train=train) for head, level in zip(self.heads, levels, strict=True)
        )
