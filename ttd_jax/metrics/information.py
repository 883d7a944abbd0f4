"""EN, CE, MI, NMI: what the gray-level histograms say."""

import chex
import jax
import jax.numpy as jnp

from ttd_jax.metrics.histogram import histogram, joint_histogram
from ttd_jax.metrics.inputs import Sources, prepare, safe_divide
from ttd_jax.metrics.region import Extent

_EMPTY_BIN = 1e-7  # keeps the logarithm of an empty bin of the fused image finite


def entropy(
    fused: chex.Array, sources: Sources = None, *, protocol: str = "paper", extent: Extent = None
) -> chex.Array:
    """EN = -sum_k p_k log2 p_k in bits, in 0..8; 0 for a constant image.

    Args:
      fused: f32[H, W], grays in 0..255.
      sources: f32[M, H, W] or None: nothing but its shape is looked at.
      protocol: a key of `PROTOCOLS`.
      extent: i32[2], see `evaluate`.

    Raises:
      UserError: an unknown protocol; shapes that do not fit.

    Reference: Roberts et al., J. Appl. Remote Sens. 2 (2008) 023522.
    """
    fused, _, region = prepare(fused, sources, protocol, extent)
    return _entropy(histogram(fused, region)) / jnp.log(2.0)


def cross_entropy(
    fused: chex.Array, sources: chex.Array, *, protocol: str = "paper", extent: Extent = None
) -> chex.Array:
    """CE: how badly the fused histogram codes those of the sources, in bits.

    'paper': root mean square over the sources of c_m = -sum_k p_m(k) log2(p_F(k) + 1e-7); at most
    23.25. 'vifb': mean over the sources of sum_k p_m(k) log2(p_m(k) / p_F(k)) over the grays that
    both images have; no gray in common gives 0.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      protocol: a key of `PROTOCOLS`.
      extent: i32[2], see `evaluate`.

    Raises:
      UserError: an unknown protocol; shapes that do not fit.

    Reference: Bulanon et al., Biosystems Engineering 103 (2009) 12-22.
    """
    fused, sources, region = prepare(fused, sources, protocol, extent)
    p_fused = histogram(fused, region)[None]
    p_sources = jax.vmap(lambda source: histogram(source, region))(sources)
    if protocol == "vifb":
        both = (p_sources > 0) & (p_fused > 0)
        ratio = jnp.where(both, p_sources, 1.0) / jnp.where(both, p_fused, 1.0)
        return jnp.mean(jnp.sum(p_sources * jnp.log2(ratio), axis=-1))
    crosses = -jnp.sum(p_sources * jnp.log2(p_fused + _EMPTY_BIN), axis=-1)
    return jnp.sqrt(jnp.mean(jnp.square(crosses)))


def mutual_information(
    fused: chex.Array, sources: chex.Array, *, protocol: str = "paper", extent: Extent = None
) -> chex.Array:
    """MI = sum over m of I(F; X_m) in nats, in 0..M ln 256.

    A constant image shares nothing: 0, up to rounding.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      protocol: a key of `PROTOCOLS`.
      extent: i32[2], see `evaluate`.

    Raises:
      UserError: an unknown protocol; shapes that do not fit.

    Reference: Qu et al., Electronics Letters 38 (2002) 313-315.
    """
    fused, sources, region = prepare(fused, sources, protocol, extent)
    return jnp.sum(_shared_information(_joint(fused, sources, region)))


def normalized_mutual_information(
    fused: chex.Array, sources: chex.Array, *, protocol: str = "paper", extent: Extent = None
) -> chex.Array:
    """NMI = 2 sum over m of I(F; X_m) / (H(F) + H(X_m)), in 0..M.

    A source counts for 0 where it and the fused image are constant: there is nothing to share.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      protocol: a key of `PROTOCOLS`.
      extent: i32[2], see `evaluate`.

    Raises:
      UserError: an unknown protocol; shapes that do not fit.

    Reference: Hossny et al., Electronics Letters 44 (2008) 1066-1067.
    """
    fused, sources, region = prepare(fused, sources, protocol, extent)
    joint = _joint(fused, sources, region)
    entropies = _entropy(jnp.sum(joint, axis=1)) + _entropy(jnp.sum(joint, axis=2))
    return 2 * jnp.sum(safe_divide(_shared_information(joint), entropies))


def _joint(fused, sources, region):
    return jax.vmap(lambda source: joint_histogram(source, fused, region))(sources)


def _entropy(p):
    """In nats, over the last axis; an empty bin counts for 0."""
    return jnp.sum(-p * jnp.log(jnp.where(p > 0, p, 1.0)), axis=-1)


def _shared_information(joint):
    """f32[M] of joint probabilities f32[M, 256, 256], in nats.

    As one sum of logarithms of ratios: the difference of entropies would cancel in float32.
    """
    independent = jnp.sum(joint, axis=1, keepdims=True) * jnp.sum(joint, axis=2, keepdims=True)
    occurs = joint > 0
    ratio = jnp.where(occurs, joint, 1.0) / jnp.where(occurs, independent, 1.0)
    return jnp.sum(joint * jnp.log(ratio), axis=(1, 2))
