"""Relative Dominability (RD): how much each source should weigh at each pixel.

Source: Cao et al., "Test-Time Dynamic Image Fusion", NeurIPS 2024, eq. 6, Tables 4 and 5, Fig. 5b.
"""

import dataclasses

import chex
import jax
import jax.numpy as jnp

FORMS = ("exp", "linear", "sigmoid")
NORMALISATIONS = ("softmax", "proportional", "none")
CORRELATIONS = ("negative", "positive")
NORMS = ("squared", "l1")
SPACES = ("network", "image")


@jax.tree_util.register_static  # passes through jit, vmap and grad like any argument
@dataclasses.dataclass(frozen=True, kw_only=True)
class DominabilitySettings:
    """How losses are measured and turned into weights.

    Attributes:
      preset: which loss map: a key of `LOSS_PRESETS`.
      norm: 'squared' or 'l1' difference, averaged over the channels.
      space: 'network' (the network's own, possibly standardised domain) or 'image' ([0, 1]).
      clip: clip the network's outputs to [0, 1] before the loss; image space only.
      temperature: t in exp(-t * l); positive.
      form: 'exp' (eq. 6), 'linear' or 'sigmoid' (Table 4).
      normalisation: over the sources: 'softmax' (eq. 6), 'proportional' or 'none' (Table 5).
      correlation: 'negative' (weights fall with the loss, as TTD demands) or 'positive' (Fig. 5b).
    """

    preset: str = "self"
    norm: str = "squared"
    space: str = "image"
    clip: bool = False
    temperature: float = 1.0
    form: str = "exp"
    normalisation: str = "softmax"
    correlation: str = "negative"

    def __post_init__(self):
        for field, allowed in (
            ("preset", tuple(LOSS_PRESETS)),
            ("norm", NORMS),
            ("space", SPACES),
            ("form", FORMS),
            ("normalisation", NORMALISATIONS),
            ("correlation", CORRELATIONS),
        ):
            if getattr(self, field) not in allowed:
                raise ValueError(f"{field} must be one of {allowed}, got {getattr(self, field)!r}")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}")
        if self.form == "linear" and self.normalisation != "softmax":
            raise ValueError(
                "form 'linear' gives negative scores: only 'softmax' can normalise them"
            )
        if self.clip and self.space != "image":
            raise ValueError("clip=True needs space='image': the network's domain has no [0, 1]")


# Loss presets ---------------------------------------------------------------------------------
# name -> function (components, sources, static) -> difference f32[M, H, W, C].

LOSS_PRESETS = {
    # eq. 6 read literally: how badly each source alone rebuilds itself.
    "self": lambda components, sources, static: components - sources,
    # each source alone against the brightest. Chosen by measurement, not stated in the paper.
    "intensity": lambda components, sources, static: components - jnp.max(sources, axis=0),
    # the static fusion against each source (eq. 2, pixel-wise). By measurement as well.
    "fused": lambda components, sources, static: static - sources,
}


def loss_maps(components, sources, static, *, preset="self", norm="squared"):
    """Per-pixel loss of every source, averaged over the channels.

    Args:
      components: f32[M, H, W, C], each source decoded alone.
      sources: f32[M, H, W, C], the sources in the same domain as `components`.
      static: f32[H, W, C], the static fusion in the same domain.
      preset: a key of `LOSS_PRESETS`.
      norm: 'squared' or 'l1'.

    Returns:
      f32[M, H, W], non-negative.

    Reference: the paper's eq. 6 (`self`) and eq. 2 (`fused`).
    """
    difference = LOSS_PRESETS[preset](components, sources, static)
    # The absolute value with gradient 0 where it is zero: that of `jnp.abs` is 1 there.
    factor = jax.lax.stop_gradient(jnp.sign(difference)) if norm == "l1" else difference
    return jnp.mean(difference * factor, axis=-1)


# Weights --------------------------------------------------------------------------------------


def relative_dominability(
    losses,
    *,
    temperature=1.0,
    form="exp",
    normalisation="softmax",
    correlation="negative",
):
    """Relative Dominability of every source at every pixel.

    With the defaults, RD_m = softmax over m of exp(-t * l_m): a softmax of an exponential, so for
    two sources and any non-negative loss it lies in [1 / (1 + e), e / (1 + e)].

    `correlation='positive'` mirrors the losses of a pixel about the middle of their range before
    weighting: the order of the sources is reversed and the range of RD is kept (for two sources
    their weights are swapped), so the control of Fig. 5b differs in nothing but the sign.

    Args:
      losses: f32[M, ...], any loss maps, sources first.
      temperature: t, positive.
      form: 'exp': exp(-t l); 'linear': -t l; 'sigmoid': sigmoid(-t l).
      normalisation: 'softmax' and 'proportional' (score / sum of scores) sum to one over the
        sources; 'none' returns the scores.
      correlation: 'negative' or 'positive'.

    Returns:
      f32[M, ...], the same shape as `losses`.

    Raises:
      ValueError: for an unknown option, or 'linear' without 'softmax'.

    Example:
      >>> rd = relative_dominability(jnp.array([[0.0], [0.5]]), temperature=50.0)
      >>> [round(float(r), 3) for r in rd[:, 0]]
      [0.731, 0.269]

    Reference: the paper's eq. 6, Table 4 (form), Table 5 (normalisation), Fig. 5b (correlation).
    """
    DominabilitySettings(  # one home for the checks
        temperature=temperature, form=form, normalisation=normalisation, correlation=correlation
    )
    losses = jnp.asarray(losses)
    if correlation == "positive":
        losses = jnp.max(losses, axis=0) + jnp.min(losses, axis=0) - losses
    exponent = -temperature * losses
    if form == "exp":
        # exp(-t l) itself; proportional to it is a softmax of the exponent, which cannot be 0 / 0.
        if normalisation == "proportional":
            return jax.nn.softmax(exponent, axis=0)
        score = jnp.exp(exponent)
    elif form == "sigmoid":
        if normalisation == "proportional":
            return jax.nn.softmax(jax.nn.log_sigmoid(exponent), axis=0)
        score = jax.nn.sigmoid(exponent)
    else:
        score = exponent
    return jax.nn.softmax(score, axis=0) if normalisation == "softmax" else score


def fusion_weights(dominability, *, normalisation="softmax"):
    """Feature weights from RD: M * RD, so that their mean over the sources is one.

    Unnormalised scores are already relative to the static weight of one and pass through.

    Args:
      dominability: f32[M, H, W].
      normalisation: the one RD was made with.

    Returns:
      f32[M, H, W].
    """
    chex.assert_rank(dominability, 3)
    return dominability if normalisation == "none" else dominability.shape[0] * dominability


def weigh_losses(losses, settings: DominabilitySettings):
    """RD and feature weights from loss maps, as `settings` define them.

    Args:
      losses: f32[M, H, W], any loss maps, sources first.
      settings: temperature, form, normalisation and correlation are used.

    Returns:
      `(dominability, weights)`, f32[M, H, W] both; see `relative_dominability`, `fusion_weights`.
    """
    dominability = relative_dominability(
        losses,
        temperature=settings.temperature,
        form=settings.form,
        normalisation=settings.normalisation,
        correlation=settings.correlation,
    )
    return dominability, fusion_weights(dominability, normalisation=settings.normalisation)
