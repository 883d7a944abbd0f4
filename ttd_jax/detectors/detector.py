"""An object detector bound to its variables, and what it was trained for."""

import dataclasses
from typing import Any

from flax import struct

from ttd_jax.core.shapes import count
from ttd_jax.detectors.yolox import YOLOX
from ttd_jax.errors import UserError, check_choice
from ttd_jax.networks.spec import NetworkSpec

# Preprocessing generations: BGR in 0..255, or RGB standardized with ImageNet's statistics.
INPUTS = ("bgr", "imagenet")

# The 80 categories of COCO 2017, in the order of their ids.
# fmt: off
COCO_CLASSES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat",
    "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack",
    "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball",
    "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket",
    "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
    "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair",
    "couch", "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote",
    "keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book",
    "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)
# fmt: on


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorSettings:
    """What a detector finds, and in which pictures.

    Attributes:
      classes: names of what it tells apart, in the order of its scores.
      inputs: one of `INPUTS`.
      size: (height, width) of its pictures, multiples of 32; any other pair of them works as well.
    """

    classes: tuple[str, ...] = COCO_CLASSES
    inputs: str = "bgr"
    size: tuple[int, int] = (640, 640)

    def __post_init__(self) -> None:
        # Lists are what a manifest gives; static parts of a pytree must be hashable.
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "size", tuple(self.size))
        if not self.classes:
            raise UserError("a detector needs at least one class")
        check_choice("inputs", self.inputs, INPUTS)
        fits = [isinstance(side, int) and side > 0 and side % 32 == 0 for side in self.size]
        if len(fits) != 2 or not all(fits):
            raise UserError(f"size must be two multiples of 32, got {self.size}")


@struct.dataclass
class Detector:
    """A detector and its variables: a pytree that jit, grad, vmap, pmap take.

    Attributes:
      variables: `{'params': ..., 'batch_stats': ...}`, f32 leaves: the only part that is traced.
      module: the unbound Flax module (static).
      settings: what it was trained for (static).
      spec: what is known of it (static).
    """

    variables: Any
    module: YOLOX = struct.field(pytree_node=False)
    settings: DetectorSettings = struct.field(pytree_node=False)
    spec: NetworkSpec | None = struct.field(pytree_node=False, default=None)

    def __repr__(self) -> str:
        name, settings = self.spec and self.spec.name, self.settings
        height, width = settings.size
        seen = f"{len(settings.classes)} classes in {settings.inputs} of {height}x{width}"
        return f"Detector({name}, {count(self.variables)}, {seen})"
