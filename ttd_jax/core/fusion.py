"""Static and test-time dynamic fusion of one scene, for any network with the interface below.

Source: Cao et al., "Test-Time Dynamic Image Fusion", NeurIPS 2024, section 4.
"""

from typing import Any, Protocol

import chex
import jax.numpy as jnp
from flax import struct

from ttd_jax.core import dominability as dom


class FusionNetwork(Protocol):
    """What fusion asks of a network; `f32[...]` arrays are channels last, `M` sources first."""

    def prepare(self, sources: chex.Array) -> chex.Array:
        """Images in [0, 1], f32[M, H, W, C], to the network's own domain."""

    def restore(self, raw: chex.Array) -> chex.Array:
        """The network's domain back to the images', unclipped: the inverse of `prepare`."""

    def encode(self, x: chex.Array) -> Any:
        """Features: a pytree with the leading axis M on every leaf."""

    def merge(self, features: Any, weights: chex.Array) -> Any:
        """One latent from the features, each source scaled by its weights f32[M, H, W]."""

    def decode(self, latent: Any, x: chex.Array | None) -> chex.Array:
        """A picture f32[H, W, C] in the network's domain; `x` gives its residual, if it has one."""

    def solo(self, x: chex.Array, features: Any) -> chex.Array:
        """Components f32[M, H, W, C]: each source decoded alone, without residual."""

    def finish(self, raw: chex.Array) -> chex.Array:
        """The final picture in [0, 1]."""


@struct.dataclass
class Fusion:
    """What a fusion gives. A pytree.

    Attributes:
      image: f32[H, W, C] in [0, 1], the fused picture.
      dominability: f32[M, H, W], RD; 1 / M everywhere for a static fusion.
      components: f32[M, H, W, C], each source decoded alone, in the images' domain, unclipped.
      losses: f32[M, H, W], the loss maps that RD was (or would be) made from.
    """

    image: chex.Array
    dominability: chex.Array
    components: chex.Array
    losses: chex.Array


def static_fuse(
    network: FusionNetwork, sources: chex.Array, settings: dom.DominabilitySettings | None = None
) -> Fusion:
    """Fuses with the network as it was trained: every source weighs one.

    Args:
      network: a `Model`, a bound Flax backbone, or anything with its methods.
      sources: f32[M, H, W, C] in [0, 1], M >= 1, in the order of their roles.
      settings: which losses to report; the network's own by default.

    Returns:
      A `Fusion` whose `dominability` is 1 / M. Under `jax.jit` unused fields cost nothing.

    Example:
      >>> fusion = jax.jit(ttd_jax.static_fuse)(model, sources)  # doctest: +SKIP
    """
    settings = network.settings if settings is None else settings
    x, features, static, components, losses = _decompose(network, sources, settings)
    del x, features
    return Fusion(
        image=network.finish(static),
        dominability=jnp.full(losses.shape, 1.0 / sources.shape[0], losses.dtype),
        components=network.restore(components),
        losses=losses,
    )


def dynamic_fuse(
    network: FusionNetwork,
    sources: chex.Array,
    settings: dom.DominabilitySettings | None = None,
    *,
    losses: chex.Array | None = None,
) -> Fusion:
    """Fuses with per-pixel weights found at test time (TTD).

    Decomposes the fusion into one component per source, measures its loss, turns the losses into
    RD and scales every source's features by M * RD before the network's own merge.

    Args:
      network: a `Model`, a bound Flax backbone, or anything with its methods.
      sources: f32[M, H, W, C] in [0, 1], M >= 1, in the order of their roles.
      settings: how losses become weights; the network's own by default.
      losses: f32[M, H, W], loss maps to use in place of the preset's.

    Returns:
      A `Fusion`. With equal losses everywhere it equals `static_fuse`.

    Raises:
      AssertionError: if `losses` does not fit the sources.

    Example:
      >>> fusion = jax.jit(ttd_jax.dynamic_fuse)(model, sources)  # doctest: +SKIP
      >>> batch = jax.vmap(ttd_jax.dynamic_fuse, in_axes=(None, 0))(model, scenes)  # doctest: +SKIP

    Reference: the paper's section 4 and eq. 6.
    """
    settings = network.settings if settings is None else settings
    x, features, _, components, own_losses = _decompose(network, sources, settings)
    losses = own_losses if losses is None else losses
    chex.assert_shape(losses, sources.shape[:3])
    rd = dom.relative_dominability(
        losses,
        temperature=settings.temperature,
        form=settings.form,
        normalisation=settings.normalisation,
        correlation=settings.correlation,
    )
    weights = dom.fusion_weights(rd, normalisation=settings.normalisation)
    return Fusion(
        image=network.finish(network.decode(network.merge(features, weights), x)),
        dominability=rd,
        components=network.restore(components),
        losses=losses,
    )


def _decompose(network, sources, settings):
    """Everything that both kinds of fusion share: one pass of the encoder and its consequences."""
    chex.assert_rank(sources, 4)
    x = network.prepare(sources)
    features = network.encode(x)
    components = network.solo(x, features)
    static = network.decode(network.merge(features, jnp.ones(sources.shape[:3], x.dtype)), x)
    if settings.space == "network":
        judged = components, x, static
    else:
        bound = (
            (lambda image: jnp.clip(image, 0.0, 1.0)) if settings.clip else (lambda image: image)
        )
        judged = bound(network.restore(components)), sources, bound(network.restore(static))
    losses = dom.loss_maps(*judged, preset=settings.preset, norm=settings.norm)
    return x, features, static, components, losses
