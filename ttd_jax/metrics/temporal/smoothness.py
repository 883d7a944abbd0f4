"""Whether a fused video moves as evenly as its sources do."""

import chex
import jax.numpy as jnp


def ms2r(flows: chex.Array, source_flows: chex.Array) -> chex.Array:
    """Motion smoothness with the sources as references, of three frames.

    The flow of frames 1 to 2 less that of 0 to 1 is the acceleration at each pixel; the mean
    absolute difference of the fused video's from each source's, over both components, is averaged
    over the sources.

    Args:
      flows: f32[2, H, W, 2], of the fused frames 0 to 1 and 1 to 2.
      source_flows: f32[M, 2, H, W, 2], the same of every source.

    Returns:
      f32[], in pixels.

    Reference: Zhao et al., "A Unified Solution to Video Fusion: From Multi-Frame Learning to
    Benchmarking" (VF-Bench), NeurIPS 2025, where flows are RAFT's and M = 2.
    """
    acceleration = flows[1] - flows[0]
    return jnp.mean(jnp.abs(acceleration - (source_flows[:, 1] - source_flows[:, 0])))
