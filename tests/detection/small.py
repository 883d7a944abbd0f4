"""A detector to try things with, and scenes to try it on."""

import numpy as np
from flax import traverse_util

from tests.commands.conftest import draw
from ttd_jax.detectors import Detector, DetectorSpec
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


def random_detector() -> Detector:
    """YOLOX nano with random weights, which finds something almost everywhere."""
    rng = np.random.default_rng(3)
    row = lookup(NAME, DetectorSpec)

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
