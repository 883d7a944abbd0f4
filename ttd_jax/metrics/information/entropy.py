"""EN, CE: what the gray-level histograms say, one by one."""

import chex
import jax
import jax.numpy as jnp

from ttd_jax.metrics.histogram import histogram
from ttd_jax.metrics.inputs import Sources, prepare
from ttd_jax.metrics.region import Extent, Mask

_EMPTY_BIN = 1e-7  # keeps the logarithm of an empty bin of the fused image finite


def entropy(
    fused: chex.Array,
    sources: Sources = None,
    *,
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """EN = -sum_k p_k log2 p_k in bits, in 0..8; 0 for a constant image.

    Args:
      fused: f32[H, W], grays in 0..255.
      sources: f32[M, H, W] or None: nothing but its shape is looked at.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Roberts et al., J. Appl. Remote Sens. 2 (2008) 023522.
    """
    fused, _, region = prepare(fused, sources, extent, mask)
    return entropy_in_nats(histogram(fused, region)) / jnp.log(2.0)


def cross_entropy(
    fused: chex.Array,
    sources: chex.Array,
    *,
    form: str = "codes",
    extent: Extent = None,
    mask: Mask = None,
) -> chex.Array:
    """CE: how badly the fused histogram codes those of the sources, in bits.

    'codes': root mean square over the sources of c_m = -sum_k p_m(k) log2(p_F(k) + 1e-7), which is
    at most 23.25. 'divergence': mean over the sources of sum_k p_m(k) log2(p_m(k) / p_F(k)) over
    the grays that both images have; no gray in common gives 0, and it may lie below.

    Args:
      fused, sources: f32[H, W] and f32[M, H, W], M >= 1, grays in 0..255.
      form: 'codes' or 'divergence', see above.
      extent: i32[2], see `evaluate`.
      mask: bool[H, W], see `evaluate`.

    Raises:
      UserError: shapes that do not fit.

    Reference: Bulanon et al., Biosystems Engineering 103 (2009) 12-22.
    """
    fused, sources, region = prepare(fused, sources, extent, mask)
    p_fused = histogram(fused, region)[None]
    p_sources = jax.vmap(lambda source: histogram(source, region))(sources)
    if form == "divergence":
        both = (p_sources > 0) & (p_fused > 0)
        ratio = jnp.where(both, p_sources, 1.0) / jnp.where(both, p_fused, 1.0)
        return jnp.mean(jnp.sum(p_sources * jnp.log2(ratio), axis=-1))
    crosses = -jnp.sum(p_sources * jnp.log2(p_fused + _EMPTY_BIN), axis=-1)
    return jnp.sqrt(jnp.mean(jnp.square(crosses)))


def entropy_in_nats(p: chex.Array) -> chex.Array:
    """Of probabilities f32[..., K], f32[...]; an empty bin counts for 0."""
    return jnp.sum(-p * jnp.log(jnp.where(p > 0, p, 1.0)), axis=-1)
