"""What is known of the detectors: YOLOX in its sizes."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

from ttd_jax.detectors import layout
from ttd_jax.detectors.detector import Detector, DetectorSettings
from ttd_jax.detectors.yolox import YOLOX
from ttd_jax.networks.layout import Layout
from ttd_jax.networks.spec import NetworkSpec, register_network


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DetectorSpec(NetworkSpec):
    """What is known of one object detector.

    Attributes:
      settings: what its checkpoints were trained for; the classes of another are found by `fit`.
    """

    kind = "detector"

    build: Callable[..., YOLOX]
    settings: DetectorSettings

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The smallest picture, f32[H, W, 3]."""
        return (self.min_size, self.min_size, 3)

    def bind(
        self, variables: Any, *, settings: DetectorSettings | None = None, **options: Any
    ) -> Detector:
        """A `Detector`; by default with this spec's settings."""
        settings = settings or self.settings
        module = self.build(num_classes=len(settings.classes), **options)
        return Detector(variables=variables, module=module, settings=settings, spec=self)

    def read_settings(self, stored: Any) -> DetectorSettings:
        return DetectorSettings(**stored)

    def fit(self, tensors: Mapping[str, Any]) -> DetectorSettings:
        """COCO's classes, or as many numbered ones as a checkpoint tells apart."""
        weight = tensors.get("head.cls_preds.0.weight")
        count = len(self.settings.classes) if weight is None else len(weight)
        if count == len(self.settings.classes):
            return self.settings
        names = tuple(f"class {index}" for index in range(count))
        return dataclasses.replace(self.settings, classes=names)


_LEGACY = "YOLOX 0.1.0 of July 2021: takes standardized RGB where later ones take BGR"


def _register(suffix: str, layout: Layout, size: int = 640, inputs: str = "bgr", **build):
    legacy = inputs == "imagenet"
    spec = DetectorSpec(
        name=f"yolox_{suffix}",
        build=functools.partial(YOLOX, **build),
        layout=layout,
        settings=DetectorSettings(inputs=inputs, size=(size, size)),
        license="Apache-2.0",
        paper="Ge et al., YOLOX, arXiv:2107.08430 (2021)",
        min_size=YOLOX.min_size,
        checkpoint=None if legacy else f"yolox_{suffix}.pth",
        note=_LEGACY if legacy else "finds objects: it fuses nothing",
    )
    register_network(spec)


_NANO = {"layout": layout.NANO, "width": 0.25, "depth": 0.33, "depthwise": True, "size": 416}

_register("nano", **_NANO)
_register("nano_legacy", **_NANO, inputs="imagenet")
_register("tiny", layout.SMALL, width=0.375, depth=0.33, size=416)
_register("s", layout.SMALL, width=0.5, depth=0.33)
_register("m", layout.MEDIUM, width=0.75, depth=0.67)
_register("l", layout.LARGE, width=1.0, depth=1.0)
