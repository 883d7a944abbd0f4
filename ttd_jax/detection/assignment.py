"""SimOTA: which predictions answer for which true object while a detector learns.

Source: Ge et al., "YOLOX", arXiv:2107.08430, 2021, a simplification of Ge et al., "OTA: Optimal
Transport Assignment for Object Detection", CVPR 2021; details from Megvii-BaseDetection/YOLOX,
yolox/models/yolo_head.py.
"""

import chex
import jax
import jax.numpy as jnp
from flax import struct

from ttd_jax.detection.boxes import Anchors, Objects, overlap, to_corners

_RADIUS = 1.5  # cells around an object's center whose predictions may answer for it
_MOST = 10  # predictions an object
_OVERLAP_WEIGHT = 3.0
_FAR = 1e6  # what a prediction costs that is near another object but not near this one
_LOWEST_LOG = -100.0


@struct.dataclass
class Assignment:
    """The object of each prediction. A pytree.

    Attributes:
      foreground: bool[A], which predictions answer for an object.
      objects: i32[A], the object's index; 0 for the background.
      overlaps: f32[A], IoU of prediction and object; 0 for the background.
    """

    foreground: chex.Array
    objects: chex.Array
    overlaps: chex.Array


def assign(
    centers: chex.Array, logits: chex.Array, objects: Objects, anchors: Anchors
) -> Assignment:
    """Gives each object the predictions that fit it best, at most one object to each prediction.

    The cost of a pair is the cross entropy of the class probabilities against the object's class,
    plus 3 times -log(IoU). An object takes as many of the cheapest candidates, predictions within
    1.5 cells of an object's center, as the sum of its ten largest IoU (rounded down, at least
    one); a prediction that several objects take stays with the one to which it is cheapest.

    Args:
      centers: f32[A, 4], decoded boxes.
      logits: f32[A, 1 + C], of being an object and of each class.
      objects: what there is to be found, G of them.
      anchors: where the predictions stand.

    Returns:
      An `Assignment`. No gradient flows through it.
    """
    centers, logits = jax.lax.stop_gradient((centers, logits))
    near = _near(objects, anchors)
    candidates = jnp.any(near, axis=0)
    allowed = candidates & objects.mask[:, None]
    overlaps = overlap(objects.boxes[:, None], to_corners(centers)[None])
    overlaps = jnp.where(allowed, overlaps, 0.0)
    cost = (
        _class_cost(logits, objects.classes)
        - _OVERLAP_WEIGHT * jnp.log(overlaps + 1e-8)
        + _FAR * ~near
    )
    cost = jnp.where(allowed, cost, jnp.inf)
    taken = _take_cheapest(cost, overlaps) & allowed
    contested = jnp.sum(taken, axis=0) > 1
    cheapest = jnp.argmin(cost, axis=0)
    owner = jnp.where(contested, cheapest, jnp.argmax(taken, axis=0))
    foreground = jnp.any(taken, axis=0)
    own = jnp.take_along_axis(overlaps, owner[None], axis=0)[0]
    return Assignment(
        foreground=foreground,
        objects=jnp.where(foreground, owner, 0).astype(jnp.int32),
        overlaps=jnp.where(foreground, own, 0.0),
    )


def _near(objects, anchors):
    """bool[G, A]: the middle of the cell is within the radius of the object's center, both ways."""
    middles = (objects.boxes[:, :2] + objects.boxes[:, 2:]) / 2
    distance = jnp.abs(middles[:, None] - anchors.centers[None])
    near = jnp.all(distance < _RADIUS * anchors.strides, axis=-1)
    return near & objects.mask[:, None]


def _class_cost(logits, classes):
    """Cross entropy f32[G, A] of sqrt(P(object) P(class)) against each object's class."""
    joint = jnp.sqrt(jax.nn.sigmoid(logits[:, 1:]) * jax.nn.sigmoid(logits[:, :1]))
    right = -jnp.maximum(jnp.log(joint), _LOWEST_LOG)
    wrong = -jnp.maximum(jnp.log1p(-joint), _LOWEST_LOG)
    # All classes count as wrong but the object's own, which counts as right.
    everywhere = jnp.sum(wrong, axis=-1)
    return everywhere + (right - wrong).T[classes]


def _take_cheapest(cost, overlaps):
    """bool[G, A]: the predictions that each object would take, if it were alone."""
    most = min(_MOST, cost.shape[1])
    best, _ = jax.lax.top_k(overlaps, most)
    wanted = jnp.maximum(jnp.sum(best, axis=-1).astype(jnp.int32), 1)
    _, order = jax.lax.top_k(-cost, most)
    chosen = jnp.arange(most) < wanted[:, None]
    rows = jnp.arange(len(cost))[:, None]
    return jnp.zeros(cost.shape, bool).at[rows, order].set(chosen)
