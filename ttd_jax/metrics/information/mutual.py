"""MI, NMI: what the gray-level histograms of two pictures together say."""

import chex
import jax
import jax.numpy as jnp

from ttd_jax.metrics.histogram import joint_histogram
from ttd_jax.metrics.information.entropy import entropy_in_nats
from ttd_jax.metrics.inputs import prepare, safe_divide
from ttd_jax.metrics.region import Extent, Mask


def mutual_information(
    fused: chex.Array,
    sources: chex.Array,
    *,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """MI = sum over m of I(F; X_m) in nats, in 0..M ln 256.

    A constant image shares nothing: 0, up to rounding.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Qu et al., Electronics Letters 38 (2002) 313-315.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    return jnp.sum(_shared_information(_joint(fused, sources, region)))


def normalized_mutual_information(
    fused: chex.Array,
    sources: chex.Array,
    *,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """NMI = 2 sum over m of I(F; X_m) / (H(F) + H(X_m)), in 0..M.

    A source counts for 0 where it and the fused image are constant: there is nothing to share.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Hossny et al., Electronics Letters 44 (2008) 1066-1067.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    joint = _joint(fused, sources, region)
    entropies = entropy_in_nats(jnp.sum(joint, axis=1)) + entropy_in_nats(jnp.sum(joint, axis=2))
    return 2 * jnp.sum(safe_divide(_shared_information(joint), entropies))


def _joint(fused, sources, region):
    return jax.vmap(lambda source: joint_histogram(source, fused, region))(sources)


def _shared_information(joint):
    """f32[M] of joint probabilities f32[M, 256, 256], in nats.

    As one sum of logarithms of ratios: the difference of entropies would cancel in float32.
    """
    independent = jnp.sum(joint, axis=1, keepdims=True) * jnp.sum(joint, axis=2, keepdims=True)
    occurs = joint > 0
    ratio = jnp.where(occurs, joint, 1.0) / jnp.where(occurs, independent, 1.0)
    return jnp.sum(joint * jnp.log(ratio), axis=(1, 2))
