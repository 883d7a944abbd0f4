"""Test-Time Dynamic image fusion (TTD, NeurIPS 2024) in JAX.

    model = ttd_jax.load("weights/ifcnn_sum")
    result = ttd_jax.fuse(model, [visible, infrared])     # pictures as people have them
    fusion = ttd_jax.dynamic_fuse(model, sources)         # pure: f32[M, H, W, C] in [0, 1]

Functions of the core take one sample, channels last; `jax.vmap` makes batches of it.
"""

import os
import sys

if sys.argv[:1] == ["-m"] and __name__ in sys.orig_argv:  # `python -m ttd_jax` begins here
    import ttd_jax_entry

    ttd_jax_entry.tell_interrupts()

# Pictures may be of any size; OpenCV looks at its bounds when it is imported for the first time.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**40))
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_WIDTH", str(2**31 - 1))
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_HEIGHT", str(2**31 - 1))

from ttd_jax import align, metrics
from ttd_jax.core.dominability import DominabilitySettings, register_loss, relative_dominability
from ttd_jax.core.fusion import Fusion, dynamic_fuse, static_fuse
from ttd_jax.core.steadiness import steady_losses
from ttd_jax.detectors import Detector
from ttd_jax.errors import UserError
from ttd_jax.evaluation.arrays import score
from ttd_jax.fusing.arrays import fuse
from ttd_jax.metrics import Metric, register_metric
from ttd_jax.networks import (
    Classifier,
    DynamicFusion,
    FusionSpec,
    Layout,
    Model,
    Network,
    Reach,
    Target,
    layout,
    networks,
    register_network,
)
from ttd_jax.networks.illumination import illumination
from ttd_jax.pictures.public import example
from ttd_jax.report.overlay import dominability_overlay
from ttd_jax.version import __version__
from ttd_jax.weights.store import load, save

__all__ = [
    "Classifier",
    "Detector",
    "DominabilitySettings",
    "DynamicFusion",
    "Fusion",
    "FusionSpec",
    "Layout",
    "Metric",
    "Model",
    "Network",
    "Reach",
    "Target",
    "UserError",
    "__version__",
    "align",
    "dominability_overlay",
    "dynamic_fuse",
    "example",
    "fuse",
    "illumination",
    "layout",
    "load",
    "metrics",
    "networks",
    "register_loss",
    "register_metric",
    "register_network",
    "relative_dominability",
    "save",
    "score",
    "static_fuse",
    "steady_losses",
]
