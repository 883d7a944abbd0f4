"""A picture of what was found, what was missed and what is not there."""

import cv2
import numpy as np

from ttd_jax.detection.average_precision import Found, Truth
from ttd_jax.report.caption import extent, legend, write
from ttd_jax.report.palette import GREEN, SKY_BLUE, VERMILION, rgb

COLORS = {"found": rgb(GREEN), "missed": rgb(VERMILION), "false alarm": rgb(SKY_BLUE)}
_TEXT = 13  # pixels


def match(truth: Truth, found: Found, *, overlap: float = 0.5) -> np.ndarray:
    """Which object each detection is: the strongest detection chooses first.

    Args:
      truth: the objects of a picture; crowds are objects like any other here.
      found: what was found in it.
      overlap: the least IoU with an object of the same class.

    Returns:
      i[N], index of the object, -1 for a false alarm; an object has one detection at most.
    """
    owners = np.full(len(found.boxes), -1)
    free = np.ones(len(truth.boxes), bool)
    for index in np.argsort(-np.asarray(found.scores), kind="stable"):
        shares = _overlaps(found.boxes[index], np.asarray(truth.boxes, float).reshape(-1, 4))
        shares[~free | (np.asarray(truth.classes) != found.classes[index])] = -1
        if len(shares) and shares.max() >= overlap:
            owners[index] = shares.argmax()
            free[owners[index]] = False
    return owners


def draw(picture: np.ndarray, truth: Truth, found: Found, *, overlap: float = 0.5) -> np.ndarray:
    """Draws detections and missed objects over a picture, with a legend that counts them.

    Args:
      picture: u8[H, W, 1 or 3], RGB or gray.
      truth: its objects.
      found: what was found in it; scores are written beside the boxes, the highest first to
        choose a place, none over another.
      overlap: the least IoU of a detection with the object that it is.

    Returns:
      u8[H', W', 3], RGB: the picture, and the legend below it.
    """
    canvas = np.array(np.broadcast_to(picture, (*picture.shape[:2], 3)))
    owners = match(truth, found, overlap=overlap)
    missed = np.setdiff1d(np.arange(len(truth.boxes)), owners)
    for index in missed:
        _outline(canvas, truth.boxes[index], "missed")
    kinds = ["found" if owner >= 0 else "false alarm" for owner in owners]
    for box, kind in zip(found.boxes, kinds, strict=True):
        _outline(canvas, box, kind)
    taken = []
    for index in np.argsort(-np.asarray(found.scores), kind="stable"):
        _label(canvas, found.boxes[index], found.scores[index], COLORS[kinds[index]], taken)
    hits = int(np.sum(owners >= 0))
    counts = {"found": hits, "missed": len(missed), "false alarm": len(owners) - hits}
    lines = [
        (np.full((1, 1, 3), COLORS[kind], np.uint8), f"{kind}: {count}")
        for kind, count in counts.items()
    ]
    strip = legend(lines, canvas.shape[1], size=_TEXT)
    return np.concatenate([canvas, strip])


def _overlaps(box, boxes):
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    union = np.prod(box[2:] - box[:2]) + np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) - common
    return common / np.maximum(union, np.finfo(float).tiny)


def _label(canvas, box, score, color, taken):
    """Writes a score on a plate: above its box, below it, or as far down beside it as is free."""
    text = f"{score:.2f}"
    width, height = extent(text, size=_TEXT) + 4, _TEXT + 3
    room = np.array(canvas.shape[1::-1]) - (width, height)
    left, top, _, bottom = (round(float(side)) for side in box)
    below = [top + step * height for step in range(len(taken) + 1)]
    for y in (top - height, bottom, *below):
        x, y = (int(side) for side in np.clip((left, y), 0, np.maximum(room, 0)))
        plate = (x, y, x + width, y + height)
        if not any(_meet(plate, other) for other in taken):
            break
    taken.append(plate)
    cv2.rectangle(canvas, plate[:2], plate[2:], color, cv2.FILLED)
    # dark ink can be read on every color of a plate
    write(canvas, text, (x + 2, y + _TEXT), size=_TEXT)


def _meet(one, other):
    """Whether two boxes `(left, top, right, bottom)` have pixels in common."""
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _outline(canvas, box, kind):
    left, top, right, bottom = (round(float(side)) for side in box)
    cv2.rectangle(canvas, (left, top), (right, bottom), COLORS[kind], 2)
