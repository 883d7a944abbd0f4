"""Test-Time Dynamic image fusion (TTD, NeurIPS 2024) in JAX.

    model = ttd_jax.load_model("ifcnn_sum", "weights/ifcnn_sum")
    fusion = ttd_jax.dynamic_fuse(model, sources)  # sources f32[M, H, W, C] in [0, 1]

Every function takes one sample, channels last; `jax.vmap` makes batches of it.
"""

from ttd_jax.backbones import Classifier, Detector, DynamicFusion, Model
from ttd_jax.backbones.illumination import illumination
from ttd_jax.checkpoints.store import load_classifier, load_detector, load_model
from ttd_jax.core.dominability import DominabilitySettings, relative_dominability
from ttd_jax.core.fusion import Fusion, dynamic_fuse, static_fuse
from ttd_jax.version import __version__

__all__ = [
    "Classifier",
    "Detector",
    "DominabilitySettings",
    "DynamicFusion",
    "Fusion",
    "Model",
    "__version__",
    "dynamic_fuse",
    "illumination",
    "load_classifier",
    "load_detector",
    "load_model",
    "relative_dominability",
    "static_fuse",
]
