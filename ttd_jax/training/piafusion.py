"""PIAFusion's loss: by day the visible image should show more, by night the infrared one.

Source: Tang et al., PIAFusion, Information Fusion 83-84, 2022, eqs. 3-8; weights from its PyTorch
port, linklist2/PIAFusion_pytorch, train_fusion_model.py.
"""

import chex

from ttd_jax.metrics.region import Extent
from ttd_jax.training import losses
from ttd_jax.training.cddfuse import fusion_terms

WEIGHTS = {"illumination": 3.0, "intensity": 7.0, "gradient": 50.0}


def terms(
    fused: chex.Array, sources: chex.Array, day: chex.Array | float, extent: Extent = None
) -> dict[str, chex.Array]:
    """PIAFusion's terms of one sample.

    Args:
      fused: f32[H, W, C].
      sources: f32[2, H, W, C] in [0, 1]: visible, infrared.
      day: f32[] in [0, 1], the probability of daylight, which is the visible image's weight. The
        reference divides the classifier's scores by their sum, NaN where both are 0;
        `ttd_jax.networks.illumination.day_probability` gives 0.5 there.
      extent: see `ttd_jax.training.losses`.

    Returns:
      `illumination`, `intensity` (the port's auxiliary intensity) and `gradient`, f32[]; the loss
      is `weigh(terms, WEIGHTS)`.
    """
    visible, infrared = sources
    illumination = (1 - day) * losses.mean_absolute(fused, infrared, extent) + (
        day * losses.mean_absolute(fused, visible, extent)
    )
    return {"illumination": illumination, **fusion_terms(fused, sources, extent)}
