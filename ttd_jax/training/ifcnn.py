"""IFCNN's loss: the all-in-focus picture that a multi-focus pair was made from is known.

Source: Zhang et al., IFCNN, Information Fusion 54, 2020, section 3.2: a pixel loss, later joined
by a perceptual one, the distance of the features of a classification network.
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from ttd_jax.metrics.region import Extent
from ttd_jax.training import losses

WEIGHTS = {"pixel": 1.0}
PERCEPTUAL_WEIGHTS = {"pixel": 1.0, "perceptual": 1.0}


def terms(
    fused: chex.Array,
    truth: chex.Array,
    perceive: Callable | None = None,
    extent: Extent = None,
) -> dict[str, chex.Array]:
    """IFCNN's terms of one sample.

    Args:
      fused: f32[H, W, C], unclipped.
      truth: f32[H, W, C] in [0, 1].
      perceive: function from an image like `truth` to features of any structure, or None. No
        weights of such a network come with this package.
      extent: see `ttd_jax.training.losses`; not with `perceive`.

    Returns:
      `pixel`, and `perceptual` if there is a function for it: f32[].
    """
    measured = {"pixel": losses.mean_square(fused, truth, extent)}
    if perceive is not None:
        pairs = jax.tree.map(losses.mean_square, perceive(fused), perceive(truth))
        measured["perceptual"] = jnp.mean(jnp.stack(jax.tree.leaves(pairs)))
    return measured
