"""Boxes of objects, their overlap, and where a detector's predictions stand in the picture.

Boxes are corners f32[..., 4]: left, top, right, bottom in pixels. The detector itself thinks in
centers f32[..., 4]: x and y of the middle, width, height.
"""

from collections.abc import Sequence

import chex
import jax.numpy as jnp
import numpy as np
from flax import struct

from ttd_jax.detectors.yolox import STRIDES


@struct.dataclass
class Objects:
    """The true objects of one picture, padded to a fixed number G. A pytree.

    Attributes:
      boxes: f32[G, 4], corners in pixels; zeros where there is none.
      classes: i32[G], below the number of classes.
      mask: bool[G], which of them are objects.
    """

    boxes: chex.Array
    classes: chex.Array
    mask: chex.Array


@struct.dataclass
class Anchors:
    """The places of the predictions of all levels, finest first and row by row. A pytree.

    Attributes:
      cells: f32[A, 2], column and row in the grid of the place's level.
      strides: f32[A, 1], pixels a cell of that grid.
    """

    cells: chex.Array
    strides: chex.Array

    @property
    def centers(self) -> chex.Array:
        """f32[A, 2], x and y of the middle of each cell, in pixels."""
        return (self.cells + 0.5) * self.strides


def make_anchors(height: int, width: int) -> Anchors:
    """The anchors of a picture of `height` by `width` pixels, numpy arrays."""
    cells, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[: height // stride, : width // stride]
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=-1))
        strides.append(np.full((cells[-1].shape[0], 1), stride))
    return Anchors(
        cells=np.concatenate(cells).astype(np.float32),
        strides=np.concatenate(strides).astype(np.float32),
    )


def to_centers(corners: chex.Array) -> chex.Array:
    """Corners f32[..., 4] to centers."""
    low, high = corners[..., :2], corners[..., 2:]
    return jnp.concatenate([(low + high) / 2, high - low], axis=-1)


def to_corners(centers: chex.Array) -> chex.Array:
    """Centers f32[..., 4] to corners."""
    middle, half = centers[..., :2], centers[..., 2:] / 2
    return jnp.concatenate([middle - half, middle + half], axis=-1)


def overlap(first: chex.Array, second: chex.Array, *, epsilon: float = 0.0) -> chex.Array:
    """Intersection over union (IoU) of boxes, broadcast against each other.

    Args:
      first: f32[..., 4], corners.
      second: f32[..., 4], corners.
      epsilon: added to the union; where it is 0, two empty boxes overlap by 0 as well.

    Returns:
      f32[...] in [0, 1].
    """
    low = jnp.maximum(first[..., :2], second[..., :2])
    high = jnp.minimum(first[..., 2:], second[..., 2:])
    sides = high - low
    meet = jnp.all(sides > 0, axis=-1)
    common = jnp.where(meet, sides[..., 0] * sides[..., 1], 0.0)
    union = _area(first) + _area(second) - common + epsilon
    return common / jnp.where(union > 0, union, 1.0)


def _area(corners):
    sides = corners[..., 2:] - corners[..., :2]
    return sides[..., 0] * sides[..., 1]


def flatten_levels(raw: Sequence[chex.Array]) -> chex.Array:
    """A detector's raw levels, each f32[..., h, w, K], as f32[..., A, K] in the anchors' order."""
    return jnp.concatenate(
        [level.reshape(*level.shape[:-3], -1, level.shape[-1]) for level in raw], axis=-2
    )


def decode_centers(offsets: chex.Array, anchors: Anchors) -> chex.Array:
    """Raw offsets and logarithmic sizes f32[..., A, 4] as centers in pixels."""
    middle = (offsets[..., :2] + anchors.cells) * anchors.strides
    sides = jnp.exp(offsets[..., 2:]) * anchors.strides
    return jnp.concatenate([middle, sides], axis=-1)
