"""Fusion networks as Flax (linen) modules, and their registry. No I/O, no state."""

from ttd_jax.backbones.base import Backbone
from ttd_jax.backbones.model import DynamicFusion, Model
from ttd_jax.backbones.registry import REGISTRY, TASKS, BackboneRow, lookup, variable_shapes

__all__ = [
    "REGISTRY",
    "TASKS",
    "Backbone",
    "BackboneRow",
    "DynamicFusion",
    "Model",
    "lookup",
    "variable_shapes",
]
