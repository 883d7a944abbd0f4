"""The objects in a picture: a detector's predictions, decoded and rid of duplicates."""

import dataclasses
from collections.abc import Sequence

import chex
import jax
import jax.numpy as jnp
from flax import struct

from ttd_jax.detection import boxes as box_lib
from ttd_jax.detection.preparation import prepare
from ttd_jax.detectors.detector import Detector


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectionSettings:
    """What counts as found.

    Attributes:
      confidence: the least score, objectness times the probability of the likeliest class.
      overlap: IoU above which the weaker of two boxes of a class is a duplicate.
      candidates: how many predictions, strongest first, are looked at for duplicates.
      limit: how many objects are given, strongest first.
      across_classes: whether a box of another class may make a box a duplicate.
    """

    confidence: float = 0.25
    overlap: float = 0.45
    candidates: int = 1000
    limit: int = 100
    across_classes: bool = False

    def __post_init__(self) -> None:
        for name in ("confidence", "overlap"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in 0..1, got {getattr(self, name)}")
        if min(self.candidates, self.limit) < 1:
            raise ValueError("candidates and limit must be at least 1")


@struct.dataclass
class Detections:
    """What was found in one picture, strongest first, padded to a fixed number N. A pytree.

    Attributes:
      boxes: f32[N, 4], corners in pixels; zeros where nothing is.
      scores: f32[N] in [0, 1], falling; 0 where nothing is.
      classes: i32[N]; 0 where nothing is.
      mask: bool[N], which of them were found.
    """

    boxes: chex.Array
    scores: chex.Array
    classes: chex.Array
    mask: chex.Array


def detect(
    detector: Detector, picture: chex.Array, settings: DetectionSettings | None = None
) -> Detections:
    """Finds the objects in one picture.

    Args:
      detector: see `ttd_jax.load`.
      picture: f32[H, W, 3], RGB in [0, 1], H and W multiples of 32; see `letterbox` for others.
      settings: what counts as found.

    Returns:
      `Detections` in pixels of `picture`.

    Raises:
      ValueError: for a picture of another shape.

    Example:
      >>> detector = random_model("yolox_nano")  # or ttd_jax.load("weights/yolox_nano")
      >>> found = jax.jit(detect)(detector, jnp.zeros((64, 96, 3)))
      >>> found.boxes.shape[-1]
      4

    Reference: Ge et al., YOLOX, arXiv:2107.08430, 2021.
    """
    chex.assert_rank(picture, 3)
    settings = DetectionSettings() if settings is None else settings
    raw = detector.module.apply(detector.variables, prepare(picture, detector.settings.inputs))
    return select(decode(raw), settings)


def decode(raw: Sequence[chex.Array]) -> chex.Array:
    """Raw levels as boxes and probabilities.

    Args:
      raw: three of f32[..., h, w, 5 + C]; see `YOLOX`.

    Returns:
      f32[..., A, 5 + C]: center x and y, width, height in pixels, and the probabilities of being
      an object and, if one, of each class. A = 21 H W / 1024.
    """
    height, width = (side * 8 for side in raw[0].shape[-3:-1])
    flat = box_lib.flatten_levels(raw)
    centers = box_lib.decode_centers(flat[..., :4], box_lib.make_anchors(height, width))
    return jnp.concatenate([centers, jax.nn.sigmoid(flat[..., 4:])], axis=-1)


def select(decoded: chex.Array, settings: DetectionSettings) -> Detections:
    """The objects among the predictions for one picture, without duplicates.

    Args:
      decoded: f32[A, 5 + C]; see `decode`.
      settings: what counts as found.

    Returns:
      `Detections` with N = min(settings.limit, settings.candidates, A).
    """
    chex.assert_rank(decoded, 2)
    likeliest = jnp.argmax(decoded[:, 5:], axis=-1)
    scores = decoded[:, 4] * jnp.max(decoded[:, 5:], axis=-1)
    scores = jnp.where(scores >= settings.confidence, scores, -1.0)
    scores, order = jax.lax.top_k(scores, min(settings.candidates, len(scores)))
    boxes, classes = box_lib.to_corners(decoded[order, :4]), likeliest[order]
    groups = jnp.zeros_like(classes) if settings.across_classes else classes
    kept = suppress(boxes, groups, scores >= 0, threshold=settings.overlap)
    strength, order = jax.lax.top_k(jnp.where(kept, scores, -1.0), min(settings.limit, len(scores)))
    mask = strength >= 0
    return Detections(
        boxes=jnp.where(mask[:, None], boxes[order], 0.0),
        scores=jnp.where(mask, strength, 0.0),
        classes=jnp.where(mask, classes[order], 0).astype(jnp.int32),
        mask=mask,
    )


def suppress(
    boxes: chex.Array, groups: chex.Array, mask: chex.Array, *, threshold: float
) -> chex.Array:
    """Which boxes remain when each, strongest first, removes the weaker ones that it overlaps.

    The answer of that greedy loop is the only one in which exactly those boxes are gone that
    overlap a remaining stronger one; it is reached by applying that rule to all boxes at once until
    nothing changes, which takes as many rounds as the longest chain of boxes has links.

    Args:
      boxes: f32[K, 4], corners, strongest first.
      groups: i32[K]; boxes of different groups do not remove each other.
      mask: bool[K], which boxes there are.
      threshold: IoU above which the weaker box goes.

    Returns:
      bool[K].
    """
    rivals = box_lib.overlap(boxes[:, None], boxes[None]) > threshold
    rivals &= groups[:, None] == groups[None]
    stronger = jnp.triu(rivals, 1)  # [i, j]: i would remove j

    def rule(kept):
        return mask & ~jnp.any(stronger & kept[:, None], axis=0)

    kept, _ = jax.lax.while_loop(
        lambda state: jnp.any(state[0] != state[1]),
        lambda state: (rule(state[0]), state[0]),
        (rule(mask), mask),
    )
    return kept
