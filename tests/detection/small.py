"""A detector to try things with."""

import numpy as np
from flax import traverse_util

from ttd_jax.backbones import DETECTORS, Detector, variable_shapes
from ttd_jax.checkpoints.store import save_model

NAME = "yolox_nano_legacy"


def random_detector() -> Detector:
    """YOLOX nano with random weights, which finds something almost everywhere."""
    rng = np.random.default_rng(3)
    row = DETECTORS[NAME]

    def value(path, shape):
        if path.endswith("kernel"):
            return rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))
        return np.full(shape, float(path.endswith(("scale", "var"))))

    flat = {
        path: value(path, leaf.shape).astype(np.float32)
        for path, leaf in variable_shapes(row).items()
    }
    return row.bind(traverse_util.unflatten_dict(flat, sep="/"))


def save(path, detector: Detector):
    """Writes a detector as `ttd-jax convert` does; returns its folder."""
    save_model(path, NAME, detector, source={"sha256": None, "licence": ""})
    return path
