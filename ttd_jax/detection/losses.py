"""What a detector is trained to make small: YOLOX's losses of one picture, fixed shapes throughout.

Source: Ge et al., "YOLOX", arXiv:2107.08430, 2021; details from Megvii-BaseDetection/YOLOX,
yolox/models/{losses,yolo_head}.py.
"""

from collections.abc import Callable, Mapping, Sequence

import chex
import jax
import jax.numpy as jnp
from flax import linen as nn

from ttd_jax.core.subgradients import absolute
from ttd_jax.detection import boxes as box_lib
from ttd_jax.detection.assignment import assign
from ttd_jax.detection.boxes import Objects
from ttd_jax.detection.preparation import prepare

WEIGHTS: Mapping[str, float] = {"iou": 5.0, "objectness": 1.0, "class": 1.0}
# With the distance of the raw box as well, as YOLOX's last epochs have it.
L1_WEIGHTS: Mapping[str, float] = {**WEIGHTS, "l1": 1.0}


def loss_sums(
    raw: Sequence[chex.Array], objects: Objects
) -> tuple[dict[str, chex.Array], chex.Array]:
    """The losses of one picture, summed over its predictions and not yet weighted.

    Args:
      raw: three of f32[h, w, 5 + C], a detector's output; see `YOLOX`.
      objects: the truth, at most G objects in pixels of the picture.

    Returns:
      `(sums, foreground)`. `sums` is a dict of f32[]: 'iou', 1 - IoU^2 of predictions that answer
      for an object; 'objectness', cross entropy of all predictions; 'class', cross entropy against
      the object's class times its IoU; 'l1', distance of the raw box from the object's.
      `foreground` is f32[], how many predictions answer for an object. Divide the sums of a whole
      batch by the foreground of all of it, or by one, as YOLOX does.
    """
    height, width = (side * 8 for side in raw[0].shape[-3:-1])
    anchors, flat = box_lib.make_anchors(height, width), box_lib.flatten_levels(raw)
    chex.assert_rank(flat, 2)
    offsets, logits = flat[:, :4], flat[:, 4:]
    centers = box_lib.decode_centers(offsets, anchors)
    found = assign(centers, logits, objects, anchors)
    truth = objects.boxes[found.objects]
    # The background is compared as one cell with itself: what it predicts, however large, could
    # give NaN times zero in the gradient.
    yes = found.foreground[:, None]
    mine = box_lib.to_corners(box_lib.decode_centers(jnp.where(yes, offsets, 0.0), anchors))
    truth = jnp.where(yes, truth, mine)
    classes = jax.nn.one_hot(objects.classes[found.objects], logits.shape[-1] - 1, dtype=flat.dtype)
    class_loss = _cross_entropy(logits[:, 1:], classes * found.overlaps[:, None])
    target = _raw_boxes(truth, anchors)
    return {
        "iou": _sum(1 - jnp.square(box_lib.overlap(mine, truth, epsilon=1e-16)), found.foreground),
        "objectness": jnp.sum(_cross_entropy(logits[:, 0], found.foreground.astype(flat.dtype))),
        "class": _sum(class_loss, yes),
        "l1": _sum(absolute(offsets - target), yes),
    }, jnp.sum(found.foreground, dtype=flat.dtype)


def make_objective(
    module: nn.Module, inputs: str, *, l1: bool = False, foreground: float | None = None
) -> Callable:
    """The objective of training a detector, for one sample; `jax.vmap` makes batches of it.

    YOLOX divides the losses of a batch by the number of predictions that answer for an object in
    it. An objective sees one sample: it divides by that sample's own number, at least one, unless
    a `foreground` is given. With the average number of the training set, pictures without objects
    weigh no more than others.

    Args:
      module: a `YOLOX`; its BatchNorms stay as they are.
      inputs: the detector's; see `prepare`.
      l1: add the distance of the raw boxes.
      foreground: what to divide the losses by.

    Returns:
      `objective(variables, sample) -> (loss, terms)`. `sample` is a dict of `image` f32[H, W, 3],
      RGB in [0, 1], H and W multiples of 32, and `boxes`, `classes`, `mask` as in `Objects`. `loss`
      is f32[]; `terms` holds each loss, weighted, and `foreground`, f32[].
    """
    weights = L1_WEIGHTS if l1 else WEIGHTS

    def objective(variables, sample):
        objects = Objects(**{name: sample[name] for name in ("boxes", "classes", "mask")})
        raw = module.apply(variables, prepare(sample["image"], inputs))
        sums, count = loss_sums(raw, objects)
        terms = weigh(sums, jnp.maximum(count, 1) if foreground is None else foreground, weights)
        return sum(terms.values()), {**terms, "foreground": count}

    return objective


def weigh(
    sums: Mapping[str, chex.Array],
    foreground: chex.Array | float,
    weights: Mapping[str, float] = WEIGHTS,
) -> dict[str, chex.Array]:
    """Each of the sums that has a weight, weighted and divided by `foreground`."""
    return {name: weight * sums[name] / foreground for name, weight in weights.items()}


def _sum(values, mask):
    return jnp.sum(jnp.where(mask, values, 0.0))


def _cross_entropy(logits, targets):
    """Of sigmoid(logits) against probabilities."""
    return jax.nn.softplus(logits) - logits * targets


def _raw_boxes(corners, anchors):
    """What a prediction would have to be for its box to be `corners`: the inverse of decoding."""
    centers = box_lib.to_centers(corners)
    middle = centers[..., :2] / anchors.strides - anchors.cells
    return jnp.concatenate([middle, jnp.log(centers[..., 2:] / anchors.strides + 1e-8)], axis=-1)
