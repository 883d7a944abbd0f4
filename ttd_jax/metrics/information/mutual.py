"""MI, NMI: what the gray-level histograms of two pictures together say."""

import chex
import jax.numpy as jnp

from ttd_jax.metrics.information.entropy import entropy_in_nats
from ttd_jax.metrics.information.joint import (
    joint_with_fused,
    merge_whites,
    shared_information,
    stretched_levels,
)
from ttd_jax.metrics.inputs import prepare, safe_divide
from ttd_jax.metrics.region import Extent, Mask


def mutual_information(
    fused: chex.Array,
    sources: chex.Array,
    *,
    unit: str = "nats",
    saturated: bool = False,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """MI = sum over m of I(F; X_m) in nats, in 0..M ln 256.

    A constant image shares nothing: 0, up to rounding.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      unit: 'nats' or 'bits'.
      saturated: whether 254 and 255 are one gray where both images are counted together, but not
        where one is: too much, where white is clipped, as of programs that add 1 to bytes.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Qu et al., Electronics Letters 38 (2002) 313-315.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    joint = joint_with_fused(fused, sources, region)
    shared = shared_information(joint, merge_whites(joint) if saturated else joint)
    return jnp.sum(shared) / (jnp.log(2.0) if unit == "bits" else 1.0)


def normalized_mutual_information(
    fused: chex.Array,
    sources: chex.Array,
    *,
    over: str = "pairs",
    stretch: bool = False,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """NMI = 2 sum over m of I(F; X_m) / (H(F) + H(X_m)), in 0..M.

    A source counts for 0 where it and the fused image are constant: there is nothing to share.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      over: 'pairs', see above; or 'sources', 2 sum I(F; X_m) / sum H(X_m), which has no bound.
      stretch: images are stretched to 0..255 first. That changes no information, but leaves NaN
        where an image is constant and not black, or both of a pair are black.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Hossny et al., Electronics Letters 44 (2008) 1066-1067.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    joint = joint_with_fused(fused, sources, region)
    shared = shared_information(joint, joint)
    entropies = entropy_in_nats(jnp.sum(joint, axis=2))
    if over == "sources":
        return 2 * safe_divide(jnp.sum(shared), jnp.sum(entropies))
    entropies += entropy_in_nats(jnp.sum(joint, axis=1))
    value = 2 * jnp.sum(safe_divide(shared, entropies))
    if not stretch:
        return value
    constant = stretched_levels(jnp.concatenate([fused[None], sources]), region)[1]
    return jnp.where(jnp.any(constant) | jnp.any(entropies == 0), jnp.nan, value)
