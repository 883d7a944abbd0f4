"""CDDFuse's two phases: first each source is taken apart and rebuilt, then both are fused.

Pure functions of one sample: images f32[H, W, C] in [0, 1], the visible (or MRI) one first;
features {'base', 'detail'} with leaves f32[2, H, W, C], one of each source; for `extent` see
`ttd_jax.training.losses`.

Source: Zhao et al., "CDDFuse", CVPR 2023, eqs. 5-11; weights and details from the authors'
released training script.
"""

from collections.abc import Mapping

import chex
import jax.numpy as jnp

from ttd_jax.metrics.region import Extent
from ttd_jax.training import losses

PHASE_ONE_WEIGHTS = {
    "ssim_first": 5.0,
    "mse_first": 1.0,
    "ssim_second": 5.0,
    "mse_second": 1.0,
    "gradient": 5.0,
    "decomposition": 2.0,
}
PHASE_TWO_WEIGHTS = {"intensity": 1.0, "gradient": 10.0, "decomposition": 2.0}


def decomposition(base: chex.Array, detail: chex.Array) -> chex.Array:
    """Base features of two sources should correlate and details should not: d^2 / (1.01 + b).

    Not linear in its arguments. The authors' script takes both as means over a batch; training
    here takes them of one sample and averages the results, so that a batch may be spread over
    devices and micro-batches without changing its loss.

    Args:
      base: f32[] in [-1, 1], correlation of the base features.
      detail: f32[] in [-1, 1], that of the detail features.
    """
    return jnp.square(detail) / (1.01 + base)


def decomposition_terms(
    features: Mapping[str, chex.Array], extent: Extent = None
) -> dict[str, chex.Array]:
    """The `decomposition` of one sample, and both correlations."""
    base, detail = (losses.correlation(*features[branch], extent) for branch in ("base", "detail"))
    return {
        "decomposition": decomposition(base, detail),
        "correlation_base": base,
        "correlation_detail": detail,
    }


def phase_one_terms(
    sources: chex.Array,
    rebuilt: chex.Array,
    features: Mapping[str, chex.Array],
    *,
    ssim_form: str = "legacy",
    extent: Extent = None,
) -> dict[str, chex.Array]:
    """Phase I: how well each source is rebuilt from its own features, and how they divide.

    The gradient counts for the first source only, as in the authors' script.

    Args:
      sources: f32[2, H, W, C] in [0, 1].
      rebuilt: f32[2, H, W, C].
      features: see above.
      ssim_form: see `losses.ssim_loss_map`.
      extent: see above.

    Returns:
      A dict of f32[]; the loss is `weigh(terms, PHASE_ONE_WEIGHTS)`.
    """
    terms = {}
    for name, source, again in zip(("first", "second"), sources, rebuilt, strict=True):
        terms[f"ssim_{name}"] = losses.ssim_loss(source, again, form=ssim_form, extent=extent)
        terms[f"mse_{name}"] = losses.mean_square(source, again, extent)
    first = (losses.spatial_gradient(pictures[0], extent) for pictures in (sources, rebuilt))
    terms["gradient"] = losses.mean_absolute(*first, extent)
    return terms | decomposition_terms(features, extent)


def fusion_terms(
    fused: chex.Array, sources: chex.Array, extent: Extent = None
) -> dict[str, chex.Array]:
    """The brightest source and the strongest edge should survive, at every pixel.

    Args:
      fused: f32[H, W, C].
      sources: f32[2, H, W, C] in [0, 1].
      extent: see above.

    Returns:
      `intensity` and `gradient`, f32[].
    """
    first, second = sources
    strongest = jnp.maximum(losses.edges(first, extent), losses.edges(second, extent))
    return {
        "intensity": losses.mean_absolute(jnp.maximum(first, second), fused, extent),
        "gradient": losses.mean_absolute(strongest, losses.edges(fused, extent), extent),
    }


def phase_two_terms(
    fused: chex.Array,
    sources: chex.Array,
    features: Mapping[str, chex.Array],
    extent: Extent = None,
) -> dict[str, chex.Array]:
    """Phase II: the fused image against both sources, and how the features divide.

    Args:
      fused: f32[H, W, C], as the decoder gives it, not stretched to [0, 1].
      sources: f32[2, H, W, C] in [0, 1].
      features: see above.
      extent: see above.

    Returns:
      A dict of f32[]; the loss is `weigh(terms, PHASE_TWO_WEIGHTS)`.
    """
    return fusion_terms(fused, sources, extent) | decomposition_terms(features, extent)
