"""Ways to weigh the sources' features: what the studies compare."""

import dataclasses

import chex
import jax.numpy as jnp
from flax import struct

from ttd_jax.core import dominability as dom
from ttd_jax.core.fusion import Decomposition, measure_losses
from ttd_jax.core.gradient import gradient_maps, select_channel
from ttd_jax.core.temperature import choose_temperature
from ttd_jax.networks import Model

# l_m = |D(E_m x_m) - x_m| of Theorem 3.1, in the images' domain.
THEOREM = dom.DominabilitySettings(loss="self", norm="l1", space="image")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weighing:
    """One way to weigh features. Hashable, so that programs are compiled for tuples of them.

    Attributes:
      name: for tables.
      settings: how losses become weights; None for the static fusion.
      channel: 'none' to weigh by the loss maps; a channel's number, 'all' or 'auto' to weigh by
        the gradient of the loss with respect to it (eq. 7).
      adaptive: choose the temperature for every scene, see `core.temperature`.
      coordinate: position on the axis of the study's plot, where it has one.
      curve: the curve that the point belongs to there.
    """

    name: str
    settings: dom.DominabilitySettings | None = None
    channel: str | int = "none"
    adaptive: bool = False
    coordinate: float | None = None
    curve: str = ""


@struct.dataclass
class Weighed:
    """What a weighing gives for a scene. A pytree.

    Attributes:
      dominability: f32[M, H, W]; 1 / M for the static fusion.
      weights: f32[M, H, W], of the features.
      losses: f32[M, H, W], the maps that RD was made from.
      temperature: f32, t; 0 for the static fusion.
      channel: i32, the chosen feature channel; -1 if there is none.
    """

    dominability: chex.Array
    weights: chex.Array
    losses: chex.Array
    temperature: chex.Array
    channel: chex.Array


def weigh(weighing: Weighing, network: Model, sources: chex.Array, parts: Decomposition) -> Weighed:
    """Weighs one scene.

    Args:
      weighing: how.
      network: the fusion network; only what its `part` counts is looked at.
      sources: f32[M, H, W, C] in [0, 1].
      parts: the scene taken apart by `network`.
    """
    settings = weighing.settings or dom.LITERAL
    losses = measure_losses(network, sources, parts, settings)
    where = network.part.counts(losses.shape[1:])
    channel, temperature = jnp.int32(-1), settings.temperature
    if weighing.channel != "none":
        maps = gradient_maps(network, sources, settings, parts=parts, where=where)
        losses, ranking = select_channel(
            maps,
            weighing.channel,
            losses=measure_losses(network, sources, parts, THEOREM),
            temperature=settings.temperature,
            where=where,
        )
        if ranking is not None:
            channel = ranking[0]
        elif weighing.channel != "all":
            channel = jnp.int32(weighing.channel)
    if weighing.settings is None:
        rd, weights = jnp.full_like(losses, 1.0 / len(losses)), jnp.ones_like(losses)
        temperature = 0.0
    elif weighing.adaptive:
        judged = measure_losses(network, sources, parts, THEOREM)
        temperature, _ = choose_temperature(losses, judged=judged, where=where)
        # t * l at temperature one is the same RD, and t may be traced.
        at_one = dataclasses.replace(settings, temperature=1.0)
        rd, weights = dom.weigh_losses(temperature * losses, at_one)
    else:
        rd, weights = dom.weigh_losses(losses, settings)
    return Weighed(
        dominability=rd,
        weights=weights,
        losses=losses,
        temperature=jnp.float32(temperature),
        channel=channel,
    )
