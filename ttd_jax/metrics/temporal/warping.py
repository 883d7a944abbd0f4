"""What changes from frame to frame once the motion is taken away."""

import chex
import jax
import jax.numpy as jnp

from ttd_jax.core.means import masked_mean
from ttd_jax.core.steadiness import carry

_RETURNS = 1.0  # pixels that a way there and back may end beside its beginning


def flicker(
    previous: chex.Array, current: chex.Array, *, flow: chex.Array, mask: chex.Array
) -> chex.Array:
    """Mean |current - carry(previous)| where the mask is True; NaN where it is nowhere.

    Args:
      previous: f32[..., H, W], the maps of a frame: grays, channels, losses or RD.
      current: f32[..., H, W], those of the next one.
      flow: f32[H, W, 2], of the current frame to the previous one.
      mask: bool[H, W], where that is reliable.

    Returns:
      f32[], in the unit of the maps.

    Example:
      >>> still = jnp.zeros((4, 4, 2)), jnp.ones((4, 4), bool)
      >>> float(flicker(jnp.zeros((4, 4)), jnp.ones((4, 4)), flow=still[0], mask=still[1]))
      1.0

    Reference: after eq. 8 to 10 of Lai et al., "Learning Blind Video Temporal Consistency", ECCV
    2018, which squares the differences.
    """
    return masked_mean(jnp.abs(current - carry(previous, flow)), mask)


def biswe(
    frames: chex.Array,
    *,
    flows: chex.Array,
    source_flows: chex.Array,
    source_backs: chex.Array,
) -> chex.Array:
    """Bi-directional self-warping error of the middle one of three frames.

    Both neighbors are carried to it along the fused video's flow; the mean absolute differences
    are taken where the flow of every source to that neighbor and back ends less than 1 px from
    where it began, and added. A neighbor without such a pixel adds nothing. Beyond the border
    frames repeat it.

    Args:
      frames: f32[3, H, W] or f32[3, C, H, W], the fused frames t - 1, t and t + 1 in 0..255.
      flows: f32[2, H, W, 2], of the fused frame t to t - 1 and to t + 1.
      source_flows: f32[M, 2, H, W, 2], the same of every source.
      source_backs: f32[M, 2, H, W, 2], the sources' flows of t - 1 and of t + 1 to t.

    Returns:
      f32[], in gray levels.

    Reference: Zhao et al., "A Unified Solution to Video Fusion: From Multi-Frame Learning to
    Benchmarking" (VF-Bench), NeurIPS 2025, where flows are RAFT's.
    """
    back = jax.vmap(jax.vmap(carry))(jnp.moveaxis(source_backs, -1, 2), source_flows)
    astray = jnp.linalg.norm(jnp.moveaxis(source_flows, -1, 2) + back, axis=2)
    mask = jnp.all(astray < _RETURNS, axis=0)
    error = jnp.abs(frames[1] - jax.vmap(carry)(frames[::2], flows))
    error = jnp.mean(error.reshape(2, -1, *mask.shape[1:]), axis=1)
    counts = jnp.sum(mask, axis=(1, 2))
    return jnp.sum(jnp.sum(error, axis=(1, 2), where=mask) / jnp.maximum(counts, 1))
