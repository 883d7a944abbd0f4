"""The downstream task: are objects found better in a fused picture?

    detector = ttd_jax.load("weights/yolox_nano")
    framed, ratio = letterbox(picture, detector.settings.size)      # u8, OpenCV
    found = jax.jit(detect)(detector, framed / np.float32(255))     # fixed shapes
    measure([Truth(boxes, classes)], [Found.of(found, ratio)], detector.settings.classes)

`make_objective` is what training takes. Functions of JAX take one picture; `jax.vmap` makes batches
of it.
"""

from ttd_jax.detection.average_precision import AveragePrecision, Found, Truth, measure
from ttd_jax.detection.boxes import Objects
from ttd_jax.detection.frames import letterbox
from ttd_jax.detection.losses import loss_sums, make_objective
from ttd_jax.detection.prediction import Detections, DetectionSettings, detect
from ttd_jax.detection.preparation import prepare
from ttd_jax.detection.surgery import replace_classes

__all__ = [
    "AveragePrecision",
    "DetectionSettings",
    "Detections",
    "Found",
    "Objects",
    "Truth",
    "detect",
    "letterbox",
    "loss_sums",
    "make_objective",
    "measure",
    "prepare",
    "replace_classes",
]
