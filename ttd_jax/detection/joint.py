"""A detector's objective on what it is shown in training: a source, or a fusion of all of them.

A fusion is made inside the objective, so that the detector's loss reaches the fusion network, also
through the RD weights, where that is trained as well.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp

from ttd_jax.core import color
from ttd_jax.core.dominability import DominabilitySettings
from ttd_jax.detection.frames import PADDING
from ttd_jax.detection.losses import make_objective
from ttd_jax.detectors import Detector
from ttd_jax.networks import Model, fuse_pictures

DETECTOR, FUSION = "detector", "fusion"


def join_variables(**parts: Mapping) -> dict:
    """Variables of several networks as those of one: collection -> network -> its tree."""
    joined = {}
    for part, variables in parts.items():
        for collection, tree in variables.items():
            joined.setdefault(collection, {})[part] = tree
    return joined


def split_variables(variables: Mapping, part: str) -> dict:
    """The variables of one of the networks that were joined."""
    return {name: trees[part] for name, trees in variables.items() if part in trees}


def make_source_objective(detector: Detector, **options: Any) -> Callable:
    """The objective of a detector that sees a source.

    Args:
      detector: a `Detector` with any variables.
      **options: see `ttd_jax.detection.losses.make_objective`.

    Returns:
      `objective(variables, sample) -> (loss, terms)`. `variables` are joined ones, see
      `join_variables`; `sample` as from `LabeledSampler`, of one role.
    """
    detect = make_objective(detector.module, detector.settings.inputs, **options)

    def objective(variables, sample):
        return detect(
            split_variables(variables, DETECTOR), {**sample, "image": sample["sources"][0]}
        )

    return objective


def make_fusion_objective(
    detector: Detector,
    model: Model,
    settings: DominabilitySettings | None,
    *,
    keep_fusing: Callable | None = None,
    keep_weight: float = 0.0,
    **options: Any,
) -> Callable:
    """The objective of a detector that sees the fusion of all sources.

    Args:
      detector: a `Detector` with any variables.
      model: the fusion network, a `Model` with any variables.
      settings: of the RD, None for the static fusion.
      keep_fusing: an objective of the fusion network itself, `(variables, sample) -> (loss, terms)`
        of a sample with luma `sources`; see `ttd_jax.training.objectives.make_objective`.
      keep_weight: of that one.
      **options: see `ttd_jax.detection.losses.make_objective`.

    Returns:
      `objective(variables, sample) -> (loss, terms)`. `variables` are joined ones; `sample` as from
      `LabeledSampler`, all roles. Fusions keep the sources' color, as `fuse` saves them, but are
      not rounded to 8 bits; outside of the scenes the frame stays gray.
    """
    detect = make_objective(detector.module, detector.settings.inputs, **options)

    def objective(variables, sample):
        network = model.replace(variables=split_variables(variables, FUSION))
        sources = sample["sources"]
        fused = fuse_pictures(network, tuple(sources), settings, mode="luma").image
        image = jnp.where(sample["covered"][..., None], fused, PADDING / 255)
        loss, terms = detect(split_variables(variables, DETECTOR), {**sample, "image": image})
        if not keep_weight:
            return loss, terms
        luma = color.rgb_to_luma(sources)
        gray = jnp.broadcast_to(luma, (*luma.shape[:-1], model.spec.channels))
        kept, _ = keep_fusing(network.variables, {"sources": gray})
        return loss + keep_weight * kept, {**terms, "fusion": keep_weight * kept}

    return objective
