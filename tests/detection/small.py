"""Detectors to try things with, and scenes to try them on."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import traverse_util

from tests.commands.conftest import draw
from ttd_jax.detectors import Detector, DetectorSettings, DetectorSpec
from ttd_jax.detectors.yolox import STRIDES
from ttd_jax.networks import lookup
from ttd_jax.weights import store

NAME = "yolox_nano_legacy"
SIZE = (64, 96)  # of the scenes
BOXES = {"a": [(10, 20, 40, 60)], "b": [(5, 5, 30, 50), (50, 10, 90, 64)], "c": []}
EMPTY = "<annotation></annotation>"


def draw_llvip(root, split="test"):
    """Three scenes in LLVIP's layout, one of them without objects; returns `root`."""
    annotations = root / "llvip/Annotations"
    annotations.mkdir(parents=True, exist_ok=True)
    for seed, (name, boxes) in enumerate(BOXES.items()):
        draw(root / f"llvip/visible/{split}/{name}.png", SIZE, channels=3, seed=seed)
        draw(root / f"llvip/infrared/{split}/{name}.png", SIZE, seed=10 + seed)
        (annotations / f"{name}.xml").write_text(xml(boxes))
    return root


def xml(boxes, name="person"):
    """A label file of these corners."""
    corners = ("xmin", "ymin", "xmax", "ymax")
    objects = "".join(
        f"<object><name>{name}</name><bndbox>"
        + "".join(f"<{key}>{side}</{key}>" for key, side in zip(corners, box, strict=True))
        + "</bndbox></object>"
        for box in boxes
    )
    return f"<annotation>{objects}</annotation>"


class _Head(nn.Module):
    classes: int

    @nn.compact
    def __call__(self, x):
        x = nn.BatchNorm(use_running_average=True, name="bn")(x)
        parts = {"box": 4, "objectness": 1, "class": self.classes}
        return jnp.concatenate([nn.Dense(n, name=name)(x) for name, n in parts.items()], axis=-1)


class _Shallow(nn.Module):
    """YOLOX without its depth: every level is a linear function of its patches' mean colors."""

    num_classes: int
    precision: Any = None

    def setup(self):
        self.heads = [_Head(self.num_classes) for _ in STRIDES]

    def __call__(self, x):
        levels = [nn.avg_pool(x, (s, s), strides=(s, s)) for s in STRIDES]
        return tuple(head(level) for head, level in zip(self.heads, levels, strict=True))


# What surrounds a detector is tried with this one: YOLOX takes seconds to trace, and to compile.
SHALLOW = DetectorSpec(
    name="shallow_detector",
    build=_Shallow,
    settings=DetectorSettings(inputs="imagenet", size=(96, 128)),
    min_size=32,
)


def random_detector(spec: DetectorSpec | None = None) -> Detector:
    """A detector, YOLOX nano by default, with random weights: it finds something almost everywhere.

    Args:
      spec: of another one.
    """
    rng = np.random.default_rng(3)
    row = spec or lookup(NAME, DetectorSpec)

    def value(path, shape):
        if path.endswith("kernel"):
            return rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))
        return np.full(shape, float(path.endswith(("scale", "var"))))

    flat = {path: value(path, leaf.shape).astype(np.float32) for path, leaf in row.shapes().items()}
    return row.bind(traverse_util.unflatten_dict(flat, sep="/"))


def save(path, detector: Detector):
    """Writes a detector as `ttd-jax convert` does; returns its folder."""
    store.save(path, detector, source={"sha256": None, "license": ""})
    return path
