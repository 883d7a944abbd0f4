"""What `ttd-jax score` does, for arrays in memory."""

from collections.abc import Iterable, Sequence

import numpy as np

from ttd_jax import metrics
from ttd_jax.core.shapes import describe
from ttd_jax.errors import UserError, check_list
from ttd_jax.evaluation.judged import judged_planes
from ttd_jax.evaluation.regions import score_regions
from ttd_jax.pictures.arrays import as_pictures
from ttd_jax.pictures.ranges import of_result_and_sources, parse_ranges


def score(
    fused: np.ndarray,
    sources: Sequence[np.ndarray],
    *,
    protocol: str = "paper",
    ranges: str = "type",
    names: Iterable[str] | None = None,
    region: np.ndarray | None = None,
) -> dict[str, float] | dict[str, dict[str, float]]:
    """Scores a fused picture of any method against its sources.

    Args:
      fused: integers, or floats in [0, 1]: [H, W], [H, W, 1] (gray), [H, W, 3] (RGB) or
        [H, W, 4], whose alpha is not looked at.
      sources: M arrays of the same kinds and size.
      protocol: a key of `metrics.PROTOCOLS`: how color is treated, and metrics are defined.
      ranges: what becomes black and white in the sources; see `ttd_jax.fuse`. One more than there
        are sources begins with that of the fused picture.
      names: metrics, in any case, or 'all' or 'core' among them; by default 'core', those that
        papers report most: see `ttd-jax metrics`.
      region: a mask [H, W], whose object (what is not 0) and background are judged apart.

    Returns:
      Metric name -> figure, NaN where it is undefined; with a mask `{'object': such figures,
      'background': such figures}`. Pictures are judged in 8 bits, as saved ones are.

    Raises:
      UserError: an unknown metric or protocol, a metric that fails or cannot judge a region, or
        pictures or a mask of another dtype, shape or range.

    Example:
      >>> picture = np.arange(0, 240, dtype=np.uint8).reshape(12, 20)
      >>> scores = ttd_jax.score(picture, [picture, picture], names=["MSE", "CC"])
      >>> scores["MSE"], round(scores["CC"], 6)
      (0.0, 1.0)
    """
    check_list("sources", sources)
    if not len(sources):
        raise UserError("no sources: pass those that the picture was fused from")
    chosen = of_result_and_sources(parse_ranges(ranges), len(sources))
    first, *rest = as_pictures([fused, *sources], ",".join(map(str, chosen)))
    planes = judged_planes(first, rest, protocol)
    options = {"protocol": protocol, "names": names}
    if region is None:
        found = metrics.evaluate(**planes, **options)
        return {name: float(value) for name, value in found.items()}
    mask = np.asarray(region) != 0
    if mask.shape != first.size:
        raise UserError(
            f"region is {describe(mask)}, not a mask [{first.size[0]}, {first.size[1]}]"
        )
    found = score_regions(**planes, region=mask, **options)
    order = metrics.choose(names, protocol)
    return {name: {one: float(of[one]) for one in order} for name, of in found.items()}
