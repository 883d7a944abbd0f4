"""The object of a picture and its background, scored apart."""

from collections.abc import Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax import metrics
from ttd_jax.errors import UserError

REGIONS = ("object", "background")


def score_regions(
    fused: chex.Array,
    sources: chex.Array,
    region: chex.Array,
    *,
    mask: chex.Array | None = None,
    **options: Any,
) -> dict[str, dict[str, chex.Array]]:
    """Metrics of the pixels of a region, and of the others: `metrics.evaluate` for each.

    Args:
      fused: see `metrics.evaluate`.
      sources: likewise.
      region: bool[H, W], the object.
      mask: bool[H, W], the pixels that are judged at all; None for all.
      **options: of `metrics.evaluate`.

    Returns:
      Region of `REGIONS` -> metric -> f32 scalar; NaN in a region without a pixel.
    """
    every = jax.vmap(lambda judged: metrics.evaluate(fused, sources, mask=judged, **options))
    found = every(jnp.stack(_parts(region, mask)))
    return {
        name: {metric: figures[index] for metric, figures in found.items()}
        for index, name in enumerate(REGIONS)
    }


def empty_regions(region: np.ndarray, mask: np.ndarray | None = None) -> list[str]:
    """Those of `REGIONS` in which nothing is judged; arguments as in `score_regions`."""
    return [
        name for name, part in zip(REGIONS, _parts(region, mask), strict=True) if not part.any()
    ]


def _parts(region, mask):
    """Object and background."""
    parts = [region, ~region]
    return parts if mask is None else [part & mask for part in parts]


def check_masks(names: Sequence[str], protocol: str, *, regions: bool, masked: bool) -> None:
    """Refuses metrics that take no mask where they would be given one.

    Args:
      names: of metrics.
      protocol: of theirs.
      regions: whether object and background are judged apart.
      masked: whether some source lacks data somewhere.

    Raises:
      UserError: it names them.
    """
    lost = ", ".join(metrics.lacking(names, "mask", protocol))
    if lost and regions:
        raise UserError(f"{lost} cannot judge a region: leave out of --metrics")
    if lost and masked:
        raise UserError(
            f"{lost} cannot leave pixels out that a source has no data for: leave out of the "
            "metrics, or cut pictures to what all have (crop=common)"
        )
