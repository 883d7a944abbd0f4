"""The object of a picture and its background, scored apart."""

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax import metrics

REGIONS = ("object", "background")


def score_regions(
    fused: chex.Array, sources: chex.Array, mask: chex.Array, **options: Any
) -> dict[str, dict[str, chex.Array]]:
    """Metrics of the pixels of a mask, and of the others: `metrics.evaluate` for each of `REGIONS`.

    Args:
      fused: see `metrics.evaluate`.
      sources: likewise.
      mask: bool[H, W], the object.
      **options: of `metrics.evaluate`.

    Returns:
      Region -> metric -> f32 scalar; NaN in a region without a pixel.
    """
    every = jax.vmap(lambda judged: metrics.evaluate(fused, sources, mask=judged, **options))
    found = every(jnp.stack([mask, ~mask]))
    return {
        region: {name: figures[index] for name, figures in found.items()}
        for index, region in enumerate(REGIONS)
    }


def empty_regions(mask: np.ndarray) -> list[str]:
    """Those of `REGIONS` in which a mask bool[H, W] has no pixel."""
    return [name for name, there in zip(REGIONS, (mask, ~mask), strict=True) if not there.any()]
