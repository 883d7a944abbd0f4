"""Test-Time Dynamic image fusion (TTD, NeurIPS 2024) in JAX.

    model = ttd_jax.load("weights/ifcnn_sum")
    fusion = ttd_jax.dynamic_fuse(model, sources)  # sources f32[M, H, W, C] in [0, 1]

Every function takes one sample, channels last; `jax.vmap` makes batches of it.
"""

from ttd_jax.core.dominability import DominabilitySettings, register_loss, relative_dominability
from ttd_jax.core.fusion import Fusion, dynamic_fuse, static_fuse
from ttd_jax.detectors import Detector
from ttd_jax.networks import Classifier, DynamicFusion, Model, networks, register_network
from ttd_jax.networks.illumination import illumination
from ttd_jax.version import __version__
from ttd_jax.weights.store import load

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
    "load",
    "networks",
    "register_loss",
    "register_network",
    "relative_dominability",
    "static_fuse",
]
