"""Fusion networks as Flax (linen) modules, one file or folder a family. No I/O, no state.

A network is a module (`Network`), what is known of it (`FusionSpec`), and the layout of its
checkpoints (`Layout`); `register_network` makes it known. docs/extending.md walks through one.
"""

from ttd_jax.networks.base import PRECISIONS, Network
from ttd_jax.networks.layout import Layout, Target
from ttd_jax.networks.model import DynamicFusion, Model, fuse_pictures, takes_extents
from ttd_jax.networks.saving import Saving
from ttd_jax.networks.spec import (
    NETWORKS,
    FusionSpec,
    NetworkSpec,
    Reach,
    lookup,
    networks,
    register_network,
)

# isort: off
# What comes with this package, in the order in which it is listed.
from ttd_jax.networks.ifcnn import IFCNN
from ttd_jax.networks.cddfuse import CDDFuse
from ttd_jax.networks.piafusion import PIAFusion
from ttd_jax.networks.densefuse import DenseFuse
from ttd_jax.networks.pfcfuse import PFCFuse
from ttd_jax.networks.didfuse import DIDFuse
from ttd_jax.networks.seafusion import SeAFusion
from ttd_jax.networks.mufusion import MUFusion
from ttd_jax.networks.illumination import Classifier, ClassifierSpec, IlluminationClassifier
# isort: on

__all__ = [
    "IFCNN",
    "NETWORKS",
    "PRECISIONS",
    "CDDFuse",
    "Classifier",
    "ClassifierSpec",
    "DIDFuse",
    "DenseFuse",
    "DynamicFusion",
    "FusionSpec",
    "IlluminationClassifier",
    "Layout",
    "MUFusion",
    "Model",
    "Network",
    "NetworkSpec",
    "PFCFuse",
    "PIAFusion",
    "Reach",
    "Saving",
    "SeAFusion",
    "Target",
    "fuse_pictures",
    "lookup",
    "networks",
    "register_network",
    "takes_extents",
]
