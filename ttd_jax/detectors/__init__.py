"""Object detectors as Flax (linen) modules. No I/O, no state."""

from ttd_jax.detectors.detector import COCO_CLASSES, Detector, DetectorSettings
from ttd_jax.detectors.spec import DetectorSpec
from ttd_jax.detectors.yolox import YOLOX

__all__ = ["COCO_CLASSES", "YOLOX", "Detector", "DetectorSettings", "DetectorSpec"]
