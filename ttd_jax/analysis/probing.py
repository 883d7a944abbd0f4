"""RD of a damaged region (Figs. 6 to 8)."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ttd_jax.analysis.corruptions import central_region, damage
from ttd_jax.analysis.weighing import Weighing, weigh
from ttd_jax.core.fusion import decompose
from ttd_jax.core.means import masked_mean
from ttd_jax.networks import Model
from ttd_jax.parts.maps import plane_means
from ttd_jax.parts.part import Part


def damaged_dominability(
    model: Model,
    sources: jax.Array,
    key: jax.Array,
    extent: jax.Array | None = None,
    *,
    weighings: Sequence[Weighing],
    corruption: str,
    damaged: int,
) -> tuple[jax.Array, jax.Array]:
    """RD maps of a scene one source of which is damaged in its middle.

    Args:
      model: the network.
      sources: f32[M, H, W, C] in [0, 1].
      key: of random corruptions; every severity damages the same pixels first.
      extent: i32[2], see `ttd_jax.dynamic_fuse`.
      weighings: V of them; the `coordinate` of each is its severity.
      corruption: a key of `CORRUPTIONS`.
      damaged: index of the source.

    Returns:
      `(rd, pictures)`: f32[V, H, W], RD of the damaged source, and f32[V, H, W, C], the source.
    """
    model = model if extent is None else model.within(extent)
    region = central_region(*sources.shape[1:3], model.part)
    severities = sorted({weighing.coordinate for weighing in weighings})

    def at(severity):
        picture = damage(sources[damaged], region, corruption, severity, key, model.part)
        scene = sources.at[damaged].set(picture)
        parts = decompose(model, scene)
        weighed = [weigh(w, model, scene, parts).dominability[damaged] for w in distinct]
        return jnp.stack(weighed), picture

    # A weighing's settings do not depend on its severity: all severities share one program.
    distinct = list({w.curve: w for w in weighings}.values())
    rd, pictures = jax.lax.map(at, jnp.array(severities))
    curves = [w.curve for w in distinct]
    picks = [(severities.index(w.coordinate), curves.index(w.curve)) for w in weighings]
    rows, columns = map(jnp.array, zip(*picks, strict=True))
    return rd[rows, columns], pictures[rows]


def probe_scene(
    model: Model,
    sources: jax.Array,
    key: jax.Array,
    extent: jax.Array | None = None,
    **options: Any,
) -> tuple[dict, dict]:
    """Means of `damaged_dominability`, whose arguments these are.

    Returns:
      As `program.measure_scene`, the measures `rd_region`, mean RD of the damaged source inside
      the region, and `rd_source`, over the whole picture, f32[V] both; and nothing else.
    """
    rd, _ = damaged_dominability(model, sources, key, extent, **options)
    part = Part(extent)
    region = central_region(*sources.shape[1:3], part)
    inside = masked_mean(rd, region, axis=(1, 2))
    return {"rd_region": inside, "rd_source": plane_means(rd, part)}, {}
