"""What is measured of one scene, for many weighings at once."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ttd_jax import metrics
from ttd_jax.analysis.weighing import Weighing, weigh
from ttd_jax.core.fusion import decompose
from ttd_jax.core.quantization import quantize
from ttd_jax.core.theory import bound, bound_from_moments, covariance, measure_moments
from ttd_jax.networks import Model


def measure_scene(
    model: Model,
    sources: jax.Array,
    grays: jax.Array,
    extent: jax.Array | None = None,
    *,
    weighings: Sequence[Weighing],
    how: str,
    protocol: str,
    names: Sequence[str],
    theory: bool = False,
) -> tuple[dict, dict]:
    """Fuses a scene by every weighing and measures what comes out.

    The scene is taken apart once; the weighings differ in the second stage only, which runs for
    one after the other, so memory does not grow with their number.

    Args:
      model: the network.
      sources: f32[M, H, W, C] in [0, 1].
      grays: f32[M, H, W], the sources' grays in 0..255, for the metrics.
      extent: i32[2], see `ttd_jax.dynamic_fuse`.
      weighings: V of them.
      how: 'round' or 'truncate', to 8 bits before scoring, as a saved picture would be.
      protocol: of the metrics.
      names: of the metrics.
      theory: measure the terms of Theorem 3.1 too; costs one more decode.

    Returns:
      Two dicts. Measure -> f32[V]: the metrics; `covariance`, the sum over the sources of
      Cov(RD_m, l_m) with the maps l_m that RD was made from; `temperature` and `channel` of the
      weighing. With `theory` also, for l_m = |D(E_m x_m) - x_m| (`ttd_jax.core.theory`):
      `bound_constant`, `bound_covariance` and their sum `bound`; the `risk` of the picture whose
      features are weighed with RD itself, as the theorem has it, and whether the inequality
      `holds`; the same of the picture that TTD makes with M * RD: `risk_scaled`, `holds_scaled`.
      And, with `theory`, field of `Moments` -> f32[V] or f32[V, M], to pool over a data set.
    """
    model = model if extent is None else model.within(extent)
    parts = decompose(model, sources)
    weighed = [weigh(weighing, model, sources, parts) for weighing in weighings]
    components = model.restore(parts.components)
    where = model.part.counts(sources.shape[1:3])

    def measure(one):
        raw = model.decode(model.merge(parts.features, one.weights), parts.x)
        judged = metrics.fused_planes(quantize(model.finish(raw), how=how), protocol=protocol)
        options = {"protocol": protocol, "names": names, "extent": extent}
        measures = dict(metrics.evaluate(judged, grays, **options))
        # The theorem's weights sum to one, also where scores are not normalized.
        total = jnp.sum(one.dominability, axis=0, keepdims=True)
        rd = one.dominability / jnp.where(total > 0, total, 1.0)
        measures |= {
            "covariance": jnp.sum(covariance(rd, one.losses, where=where)),
            "temperature": one.temperature,
            "channel": one.channel.astype(jnp.float32),
        }
        if not theory:
            return measures, {}
        terms, moments = _terms(model, parts, sources, components, rd, raw, where)
        return measures | terms, moments

    return jax.lax.map(measure, jax.tree.map(lambda *leaves: jnp.stack(leaves), *weighed))


def _terms(model, parts, sources, components, rd, raw, where):
    """Both sides of Theorem 3.1: for the features weighed with RD, and for the picture of TTD."""
    own = model.decode(model.merge(parts.features, rd), parts.x)
    moments = measure_moments(model.restore(own), components, sources, rd, where=where)
    exact = bound_from_moments(moments)
    scaled = bound(model.restore(raw), components, sources, rd, where=where)
    terms = {
        "bound_constant": exact.constant,
        "bound_covariance": jnp.sum(exact.covariance),
        "bound": exact.total,
        "risk": exact.risk,
        "holds": exact.holds.astype(jnp.float32),
        "risk_scaled": scaled.risk,
        "holds_scaled": scaled.holds.astype(jnp.float32),
    }
    return terms, dataclasses.asdict(moments)


@functools.cache
def compiled(function: Callable, **options: Any) -> Callable:
    """A function with static options, compiled once per shape."""
    return jax.jit(functools.partial(function, **options))
