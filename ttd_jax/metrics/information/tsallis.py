"""TE: mutual information by Tsallis' entropy."""

import math

import chex
import jax.numpy as jnp
import numpy as np

from ttd_jax.metrics.information.entropy import entropy_in_nats
from ttd_jax.metrics.information.joint import (
    joint_of_sources,
    joint_with_fused,
    stretched_levels,
)
from ttd_jax.metrics.inputs import prepare
from ttd_jax.metrics.region import Extent, Mask


def tsallis_information(
    fused: chex.Array,
    sources: chex.Array,
    *,
    order: float = 1.85,
    marginals: str = "own",
    normalized: bool = False,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """TE = sum over m of T(X_m, F), T = (1 - sum p(i, j)^q / (p(i) p(j))^(q - 1)) / (1 - q).

    i and j are grays of a source and of the fused image, q the order. Never below 0, which is
    where the two have nothing in common, and without a bound above.

    Published programs stretch the images to 0..255 and then swap the marginals: p(i) is of the
    fused image, p(j) of the source, and where one of them is 0 nothing is added. What comes out
    ('swapped') is no information: it may be negative, and it changes with the grays' order.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      order: q, not 1.
      marginals: 'own' or 'swapped', see above; an image that is constant and not black has no
        stretch, and gives NaN.
      normalized: whether to divide by the sum of all H(X_m)^q, H in bits, and of T between every
        two sources; NaN where that is 0, as for constant sources.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Cvejic et al., Electronics Letters 42 (2006) 626-627; normalized, and of the order
    0.43137: Nava et al., Proc. SPIE 7000 (2008).
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    swapped = marginals == "swapped"
    fused_levels, of_fused = stretched_levels(fused[None], region)
    source_levels, of_sources = stretched_levels(sources, region)
    joint = joint_with_fused(fused, sources, region)
    total = jnp.sum(_shared(joint, order, (source_levels, fused_levels) if swapped else None))
    undefined = (jnp.any(of_fused) | jnp.any(of_sources)) & swapped
    if normalized:
        entropies = entropy_in_nats(jnp.sum(joint, axis=2)) / math.log(2)
        pairs = joint_of_sources(sources, region)
        first, second = np.triu_indices(len(sources), 1)
        levels = (source_levels[first], source_levels[second]) if swapped else None
        own = jnp.sum(entropies**order) + jnp.sum(_shared(pairs, order, levels))
        undefined |= own == 0
        total /= jnp.where(own == 0, 1.0, own)
    return jnp.where(undefined, jnp.nan, total)


def _shared(joint, order, levels):
    """T of joint probabilities f32[M, 256, 256], f32[M]; with the levels that marginals swap at."""
    rows, columns = jnp.sum(joint, axis=2), jnp.sum(joint, axis=1)
    if levels:
        same = levels[0][:, :, None] == levels[1][:, None, :]
        rows, columns = (
            jnp.sum(jnp.where(same, columns[:, None, :], 0.0), axis=2),
            jnp.sum(jnp.where(same, rows[:, :, None], 0.0), axis=1),
        )
    product = rows[:, :, None] * columns[:, None, :]
    occurs = (joint > 0) & (product > 0)
    ratio = jnp.where(occurs, joint, 1.0) / jnp.where(occurs, product, 1.0)
    # sums of differences from 1, of which the whole is one
    excess = joint * jnp.where(occurs, jnp.expm1((order - 1) * jnp.log(ratio)), -1.0)
    return jnp.sum(excess, axis=(1, 2)) / (order - 1)
