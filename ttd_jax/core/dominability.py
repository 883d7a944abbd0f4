"""Relative Dominability (RD): how much each source should weigh at each pixel.

Source: Cao et al., "Test-Time Dynamic Image Fusion", NeurIPS 2024, eq. 6, Tables 4 and 5, Fig. 5b.
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import chex
import jax
import jax.numpy as jnp

from ttd_jax.core.shapes import describe
from ttd_jax.core.subgradients import absolute
from ttd_jax.errors import UserError, blaming, check_choice
from ttd_jax.registry import Registry, check_function, unknown

FORMS = ("exp", "linear", "sigmoid")
NORMALIZATIONS = ("softmax", "proportional", "none")
CORRELATIONS = ("negative", "positive")
NORMS = ("squared", "l1")
SPACES = ("network", "image")
_HOTTEST = float(jnp.finfo(jnp.float32).max)


@jax.tree_util.register_static  # passes through jit, vmap and grad like any argument
@dataclasses.dataclass(frozen=True, kw_only=True)
class DominabilitySettings:
    """How losses are measured and turned into weights.

    The defaults are eq. 6 read literally, not what a network was given: those of a loaded model are
    `model.settings`, and `model.settings.replace(temperature=50.0)` changes one field of them.

    Attributes:
      loss: which loss map: a key of `LOSS_MAPS`.
      norm: 'squared' or 'l1' difference, averaged over the channels.
      space: 'network' (the network's own, possibly standardized domain) or 'image' ([0, 1]).
      clip: clip the network's outputs to [0, 1] before the loss; image space only.
      temperature: t in exp(-t * l); positive and finite.
      form: 'exp' (eq. 6), 'linear' or 'sigmoid' (Table 4).
      normalization: over the sources: 'softmax' (eq. 6), 'proportional' or 'none' (Table 5).
      correlation: 'negative' (weights fall with the loss, as TTD demands) or 'positive' (Fig. 5b).
    """

    loss: str  # always said: which one is the first question
    norm: str = "squared"
    space: str = "image"
    clip: bool = False
    temperature: float = 1.0
    form: str = "exp"
    normalization: str = "softmax"
    correlation: str = "negative"

    def __post_init__(self) -> None:
        for field, allowed in (
            ("norm", NORMS),
            ("space", SPACES),
            ("form", FORMS),
            ("normalization", NORMALIZATIONS),
            ("correlation", CORRELATIONS),
        ):
            check_choice(field, getattr(self, field), allowed)
        if self.loss not in LOSS_MAPS:
            raise unknown(self.loss, LOSS_MAPS, kind="loss map", plugins=True)
        if not isinstance(self.temperature, jax.core.Tracer):  # whose value nobody knows
            if not 0 < self.temperature <= _HOTTEST:
                raise UserError(
                    f"temperature must be positive and finite, not {self.temperature!s:.9}"
                )
            object.__setattr__(self, "temperature", float(self.temperature))
        if self.form == "linear" and self.normalization != "softmax":
            raise UserError(
                "form 'linear' gives negative scores: only 'softmax' can normalize them"
            )
        if self.clip and self.space != "image":
            raise UserError("clip=True needs space='image': the network's domain has no [0, 1]")

    def replace(self, **fields: Any) -> "DominabilitySettings":
        """The same settings but for some fields.

        Args:
          **fields: see the attributes.

        Raises:
          UserError: a value that a field may not have.

        Example:
          >>> model.settings.replace(temperature=50.0).loss == model.settings.loss
          True
        """
        return dataclasses.replace(self, **fields)


# Loss maps ------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class LossMap:
    """One way to say how badly a source is served at each pixel.

    Attributes:
      difference: `(components, sources, static) -> f32[M, H, W, C]`, in one domain: each source
        decoded alone, f32[M, H, W, C]; the sources, f32[M, H, W, C]; the static fusion,
        f32[H, W, C]. Pixel by pixel: it sees no neighbors.
      reads: which of 'components' and 'static' it looks at; the other may be zeros. With 'copies'
        in place of 'components' it is given M copies of each source fused statically, without
        residual: what the network makes of the source at the total weight it was trained with.
        That is D(M E(x)) where features are added, D(E(x)) where their mean or maximum is taken,
        and the source on all inputs where streams are concatenated.
    """

    difference: Callable[[chex.Array, chex.Array, chex.Array], chex.Array]
    reads: frozenset[str]


STRATEGIES = ("static", "ttd")  # what is no loss map and no preset
_READABLE = frozenset({"components", "copies", "static"})

LOSS_MAPS: Registry[LossMap] = Registry("loss map", reserved=STRATEGIES, replaced=jax.clear_caches)


def register_loss(
    name: str,
    difference: Callable[[chex.Array, chex.Array, chex.Array], chex.Array],
    *,
    reads: Iterable[str] = ("components", "static"),
) -> None:
    """Makes a loss map known by its name, wherever one is chosen: `--dominability=NAME`.

    Args:
      name: its name.
      difference: see `LossMap`.
      reads: see `LossMap`; what is not read need not be computed.

    Raises:
      UserError: the name is none or taken, `difference` takes something else, or `reads` names
        something else.

    Example:
      >>> register_loss("median", lambda c, s, static: c - jnp.median(s, axis=0))
      >>> DominabilitySettings(loss="median").loss
      'median'
    """
    check_function(f"loss map {name!r}", difference, "(components, sources, static)")
    wrong = isinstance(reads, str) or not _READABLE.issuperset(reads := tuple(reads))
    if wrong or {"components", "copies"}.issubset(reads):
        raise UserError(
            f"loss map {name!r}: reads must hold 'components' or 'copies', 'static', both or none, "
            f"such as ('components',), got {reads!r}"
        )
    LOSS_MAPS.register(name, LossMap(difference, frozenset(reads)), code=difference)


# eq. 6 read literally: how badly each source alone rebuilds itself.
register_loss(
    "self", lambda components, sources, static: components - sources, reads=("components",)
)
# each source alone against the brightest. Chosen by measurement, not stated in the paper.
register_loss(
    "intensity",
    lambda components, sources, static: components - jnp.max(sources, axis=0),
    reads=("components",),
)
# the static fusion against each source (eq. 2, pixel-wise). By measurement as well.
register_loss("fused", lambda components, sources, static: static - sources, reads=("static",))
# each source, at the total weight of all, against the static fusion: a gap as section 4 tells of,
# but found by search among many rules, not stated there.
register_loss(
    "component", lambda components, sources, static: components - static, reads=("copies", "static")
)
# each source alone against itself and against the static fusion; meant for the norm 'l1'.
register_loss(
    "gap",
    lambda components, sources, static: (
        absolute(components - sources) + absolute(components - static)
    ),
)


def loss_maps(
    components: chex.Array,
    sources: chex.Array,
    static: chex.Array,
    *,
    loss: str = "self",
    norm: str = "squared",
) -> chex.Array:
    """Per-pixel loss of every source, averaged over the channels.

    Args:
      components: f32[M, H, W, C], each source decoded alone.
      sources: f32[M, H, W, C], the sources in the same domain as `components`.
      static: f32[H, W, C], the static fusion in the same domain.
      loss: a key of `LOSS_MAPS`.
      norm: 'squared' or 'l1'.

    Returns:
      f32[M, H, W], non-negative.

    Raises:
      UserError: the loss map fails, or gives something else than it must.

    Reference: the paper's eq. 6 (`self`) and eq. 2 (`fused`).
    """
    difference = LOSS_MAPS[loss].difference
    what = f"loss map {loss!r}"
    with blaming(what, "fails"):
        difference = difference(components, sources, static)
    if not hasattr(difference, "dtype") or difference.shape != sources.shape:
        raise UserError(
            f"{what} must give f32[M, H, W, C], here {describe(sources)}: it gives "
            f"{describe(difference)}"
        )
    measure = absolute if norm == "l1" else jnp.square
    return jnp.mean(measure(difference), axis=-1)


# eq. 6 read literally: what is meant where nobody says otherwise.
LITERAL = DominabilitySettings(loss="self")


# Weights --------------------------------------------------------------------------------------


def relative_dominability(
    losses: chex.Array,
    *,
    temperature: float = 1.0,
    form: str = "exp",
    normalization: str = "softmax",
    correlation: str = "negative",
) -> chex.Array:
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
      normalization: 'softmax' and 'proportional' (score / sum of scores) sum to one over the
        sources; 'none' returns the scores.
      correlation: 'negative' or 'positive'.

    Returns:
      f32[M, ...], the same shape as `losses`.

    Raises:
      UserError: for an unknown option, or 'linear' without 'softmax'; outside of `jax.jit` and its
        like, losses that are no finite numbers.

    Example:
      >>> rd = relative_dominability(jnp.array([[0.0], [0.5]]), temperature=50.0)
      >>> [round(float(r), 3) for r in rd[:, 0]]
      [0.731, 0.269]

    Reference: the paper's eq. 6, Table 4 (form), Table 5 (normalization), Fig. 5b (correlation).
    """
    LITERAL.replace(  # one home for the checks
        temperature=temperature, form=form, normalization=normalization, correlation=correlation
    )
    losses = jnp.asarray(losses)
    if not isinstance(losses, jax.core.Tracer) and not bool(jnp.isfinite(losses).all()):
        raise UserError(
            "losses has NaN or infinity: fill these pixels, such as with jnp.nan_to_num"
        )
    if correlation == "positive":
        losses = jnp.max(losses, axis=0) + jnp.min(losses, axis=0) - losses
    exponent = -temperature * losses
    if form == "exp":
        # exp(-t l) itself; proportional to it is a softmax of the exponent, which cannot be 0 / 0.
        if normalization == "proportional":
            return jax.nn.softmax(exponent, axis=0)
        score = jnp.exp(exponent)
    elif form == "sigmoid":
        if normalization == "proportional":
            return jax.nn.softmax(jax.nn.log_sigmoid(exponent), axis=0)
        score = jax.nn.sigmoid(exponent)
    else:
        score = exponent
    return jax.nn.softmax(score, axis=0) if normalization == "softmax" else score


def fusion_weights(dominability: chex.Array, *, normalization: str = "softmax") -> chex.Array:
    """Feature weights from RD: M * RD, so that their mean over the sources is one.

    Unnormalized scores are already relative to the static weight of one and pass through.

    Args:
      dominability: f32[M, H, W].
      normalization: the one RD was made with.

    Returns:
      f32[M, H, W].
    """
    chex.assert_rank(dominability, 3)
    return dominability if normalization == "none" else dominability.shape[0] * dominability


def mask_dominability(dominability: chex.Array, has_data: chex.Array | None) -> chex.Array:
    """RD of the sources that have data at a pixel, in the place of all.

    There rd'_m = rd_m has_data_m sum_n(rd_n) / sum_n(rd_n has_data_n): what the others would have
    is theirs, in the proportions of their own, and in equal parts where they have none. Where no
    source has data, or all have, it stays as it is.

    Args:
      dominability: f32[M, H, W], non-negative.
      has_data: bool[M, H, W]; None where all have data everywhere.

    Returns:
      f32[M, H, W], with the same sum over the sources.

    Example:
      >>> rd = jnp.array([0.5, 0.3, 0.2]).reshape(3, 1, 1)
      >>> rd = mask_dominability(rd, jnp.array([True, False, True]).reshape(3, 1, 1))
      >>> [round(float(r), 3) for r in rd[:, 0, 0]]
      [0.714, 0.0, 0.286]
    """
    if has_data is None:
        return dominability
    kept = jnp.where(has_data, dominability, 0)
    # RD of a great t may be zero, rounded.
    kept = jnp.where(jnp.sum(kept, axis=0) > 0, kept, has_data.astype(kept.dtype))
    some, every = jnp.any(has_data, axis=0), jnp.all(has_data, axis=0)
    share = kept / jnp.where(some, jnp.sum(kept, axis=0), 1)
    return jnp.where(some & ~every, share * jnp.sum(dominability, axis=0), dominability)


def spread_weights(weights: chex.Array, has_data: chex.Array | None) -> chex.Array:
    """Feature weights where a source without data shows what the others do: see `fill_in`.

    It weighs what is the mean of all, and those with data share the rest as they shared it all. A
    source that has data alone is so on all inputs, at weights of one, as the network was trained:
    at M and zero, a maximum would be M times too great and streams that are concatenated empty.

    Args:
      weights: f32[M, H, W], zero where a source has no data; see `mask_dominability`.
      has_data: bool[M, H, W]; None where all have data everywhere.

    Returns:
      f32[M, H, W], with the same sum over the sources.
    """
    if has_data is None:
        return weights
    share = jnp.mean(has_data.astype(weights.dtype), axis=0)
    spread = jnp.where(has_data, share * weights, jnp.mean(weights, axis=0))
    return jnp.where(share > 0, spread, weights)


def weigh_losses(
    losses: chex.Array, settings: DominabilitySettings, has_data: chex.Array | None = None
) -> tuple[chex.Array, chex.Array]:
    """RD and feature weights from loss maps, as `settings` define them.

    Args:
      losses: f32[M, H, W], any loss maps, sources first.
      settings: temperature, form, normalization and correlation are used.
      has_data: bool[M, H, W]; see `mask_dominability`, `spread_weights`.

    Returns:
      `(dominability, weights)`, f32[M, H, W] both; see `relative_dominability`, `fusion_weights`.
    """
    dominability = relative_dominability(
        losses,
        temperature=settings.temperature,
        form=settings.form,
        normalization=settings.normalization,
        correlation=settings.correlation,
    )
    dominability = mask_dominability(dominability, has_data)
    weights = fusion_weights(dominability, normalization=settings.normalization)
    return dominability, spread_weights(weights, has_data)


def leading(dominability: chex.Array) -> chex.Array:
    """Which source leads at each pixel, f32[M, H, W]: one, or equal parts where several do.

    Args:
      dominability: f32[M, H, W]; a numpy array gives one, and so does a JAX array.
    """
    leads = (dominability == dominability.max(axis=0)).astype(dominability.dtype)
    return leads / leads.sum(axis=0)


def dominance_shares(dominability: chex.Array) -> chex.Array:
    """Share of the pixels that each source dominates, f32[M] in [0, 1]; ties are split evenly.

    Args:
      dominability: f32[M, H, W].
    """
    return jnp.mean(leading(dominability), axis=(1, 2))
