"""Fusion networks as Flax (linen) modules, and their registry. No I/O, no state."""

from ttd_jax.backbones.base import PRECISIONS, Backbone
from ttd_jax.backbones.detector import Detector, DetectorSettings
from ttd_jax.backbones.illumination import Classifier, IlluminationClassifier
from ttd_jax.backbones.model import DynamicFusion, Model
from ttd_jax.backbones.registry import (
    CLASSIFIERS,
    DETECTORS,
    NETWORKS,
    REGISTRY,
    TASKS,
    BackboneRow,
    ClassifierRow,
    DetectorRow,
    NetworkRow,
    lookup,
    variable_shapes,
)

__all__ = [
    "CLASSIFIERS",
    "DETECTORS",
    "NETWORKS",
    "PRECISIONS",
    "REGISTRY",
    "TASKS",
    "Backbone",
    "BackboneRow",
    "Classifier",
    "ClassifierRow",
    "Detector",
    "DetectorRow",
    "DetectorSettings",
    "DynamicFusion",
    "IlluminationClassifier",
    "Model",
    "NetworkRow",
    "lookup",
    "variable_shapes",
]
