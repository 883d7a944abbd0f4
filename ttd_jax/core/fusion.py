"""Static and test-time dynamic fusion of one scene, for any network with the interface below.

Source: Cao et al., "Test-Time Dynamic Image Fusion", NeurIPS 2024, section 4.
"""

from collections.abc import Callable
from typing import Any, Protocol

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from ttd_jax.core import dominability as dom
from ttd_jax.core.filling import fill_in
from ttd_jax.core.shapes import describe
from ttd_jax.errors import UserError

# Beyond [0, 1] by so much is rounding: of a resized picture, or of half precision.
_ROUNDING = 1e-3


class FusionNetwork(Protocol):
    """What fusion asks of a network; `f32[...]` arrays are channels last, `M` sources first.

    Any object with the seven methods will do; `settings`, a `DominabilitySettings`, is how its
    losses become weights where it has them, and eq. 6 read literally where it has not. As an
    argument of `jax.jit` it must be a pytree, such as a `flax.struct.dataclass`; in a function that
    `jax.jit` is given it may be anything.
    """

    @property
    def coupled(self) -> bool:
        """Whether a source's features depend on the others: see `gradient`."""
        return False

    @property
    def separable(self) -> bool:
        """Whether each source has features of its own, which weights can scale."""
        return True

    def prepare(self, sources: chex.Array) -> chex.Array:
        """Images in [0, 1], f32[M, H, W, C], to the network's own domain."""

    def restore(self, raw: chex.Array) -> chex.Array:
        """The network's domain back to the images', unclipped: the inverse of `prepare`."""

    def encode(self, x: chex.Array) -> Any:
        """Features: a pytree with the leading axis M on every leaf."""

    def merge(self, features: Any, weights: chex.Array) -> Any:
        """One latent from the features, each source scaled by its weights f32[M, H, W].

        They average one over the sources.
        """

    def decode(self, latent: Any, x: chex.Array | None) -> chex.Array:
        """A picture f32[H, W, C] in the network's domain; `x` gives its residual, if it has one."""

    def solo(self, x: chex.Array, features: Any, copies: int = 1) -> chex.Array:
        """Components f32[M, H, W, C]: each source decoded alone, without residual.

        With several copies, each is merged with itself so often, as if all sources were that one;
        asked for by loss maps only that read it.
        """

    def finish(self, raw: chex.Array) -> chex.Array:
        """The final picture in [0, 1]."""


class BoundNetwork(FusionNetwork, Protocol):
    """A network that carries its variables, as `ttd_jax.networks.Model` does."""

    variables: Any
    settings: dom.DominabilitySettings
    spec: Any

    def replace(self, **fields: Any) -> "BoundNetwork":
        """The same with other fields, such as `variables`."""


@struct.dataclass
class Fusion:
    """What a fusion gives. A pytree.

    Attributes:
      image: f32[H, W, C] in [0, 1], the fused picture.
      dominability: f32[M, H, W], RD; 1 / M for a static fusion, where all sources have data.
      components: f32[M, H, W, C], each source decoded alone, in the images' domain, unclipped.
      losses: f32[M, H, W], the loss maps that RD was (or would be) made from.
    """

    image: chex.Array
    dominability: chex.Array
    components: chex.Array
    losses: chex.Array

    def __repr__(self) -> str:
        names = "image", "dominability", "components", "losses"
        return f"Fusion({', '.join(f'{n}={describe(getattr(self, n))}' for n in names)})"


@struct.dataclass
class Decomposition:
    """A scene taken apart: all that its fusions share, made with one pass of the encoder. A pytree.

    Attributes:
      x: f32[M, H, W, C], the sources in the network's domain.
      features: a pytree with the leading axis M on every leaf.
      components: f32[M, H, W, C], each source decoded alone, in the network's domain.
      static: f32[H, W, C], the static fusion in the network's domain.
      copies: f32[M, H, W, C], M copies of each source fused statically, without residual, in the
        network's domain; None until a loss map reads them.
    """

    x: chex.Array
    features: Any
    components: chex.Array
    static: chex.Array
    copies: chex.Array | None = None


def decompose(network: FusionNetwork, sources: chex.Array) -> Decomposition:
    """Takes a scene apart: the first stage of TTD.

    Args:
      network: a `Model`, a bound Flax backbone, or anything with its methods.
      sources: f32[M, H, W, C] in [0, 1], M >= 1, in the order of their roles.

    Returns:
      A `Decomposition`. Under `jax.jit` unused fields cost nothing.
    """
    chex.assert_rank(sources, 4)
    x = network.prepare(sources)
    features = network.encode(x)
    components = network.solo(x, features)
    static = network.decode(network.merge(features, jnp.ones(sources.shape[:3], x.dtype)), x)
    return Decomposition(x=x, features=features, components=components, static=static)


def measure_losses(
    network: FusionNetwork,
    sources: chex.Array,
    parts: Decomposition,
    settings: dom.DominabilitySettings,
) -> chex.Array:
    """The loss maps f32[M, H, W] of a scene that was taken apart, as `settings` define them."""
    components = parts.components
    if "copies" in dom.LOSS_MAPS[settings.loss].reads:
        components = parts.copies
        if components is None:
            components = network.solo(parts.x, parts.features, copies=parts.x.shape[0])
    if settings.space == "network":
        judged = components, parts.x, parts.static
    else:
        bound = (
            (lambda image: jnp.clip(image, 0.0, 1.0)) if settings.clip else (lambda image: image)
        )
        restored = bound(network.restore(components)), bound(network.restore(parts.static))
        judged = restored[0], sources, restored[1]
    return dom.loss_maps(*judged, loss=settings.loss, norm=settings.norm)


def recompose(network: FusionNetwork, parts: Decomposition, weights: chex.Array) -> chex.Array:
    """Puts a scene together again: the second stage of TTD.

    Args:
      network: the one that took it apart.
      parts: see `decompose`.
      weights: f32[M, H, W] of the features, averaging one over the sources.

    Returns:
      The fused picture f32[H, W, C] in [0, 1]; with all weights one, the static fusion.
    """
    return network.finish(network.decode(network.merge(parts.features, weights), parts.x))


def _own_settings(network):
    return getattr(network, "settings", None) or dom.LITERAL


INSEPARABLE = "its sources enter together, so that nothing of a single one can be weighed"


def inseparable(name: str) -> UserError:
    """The refusal to weigh the sources of a network that is not `separable`."""
    return UserError(f"{name}: {INSEPARABLE}: choose the strategy 'static'")


def _check_has_data(sources, has_data):
    """Refuses a mask that is none; None stands for data everywhere."""
    if has_data is None:
        return
    shape = sources.shape[:3]
    if getattr(has_data, "shape", None) != shape or jnp.dtype(has_data.dtype) != jnp.bool_:
        raise UserError(f"has_data is {describe(has_data)}: pass bool{list(shape)}")


def _as_sources(network, sources):
    """The sources as the network takes them, or a `UserError` that tells how to make them so.

    Dtypes and shapes are known while JAX traces; values only outside of its transformations.
    """
    needed = "f32[M, H, W, C] in [0, 1]"
    if isinstance(sources, (list, tuple)):
        raise UserError(f"sources is a {type(sources).__name__}: jnp.stack makes {needed} of it")
    if np.ndim(sources) != 4:
        mend = {
            5: "take one scene at a time: jax.vmap(ttd_jax.dynamic_fuse, in_axes=(None, 0))",
            3: "jnp.stack pictures [H, W, C], and give gray ones an axis for C: gray[..., None]",
        }
        hint = mend.get(np.ndim(sources), "ttd_jax.fuse takes a list of pictures")
        raise UserError(f"sources is {describe(sources)}, not {needed}: {hint}")
    channels, spec = sources.shape[-1], getattr(network, "spec", None)
    if spec is not None and channels != spec.channels:
        raise UserError(
            f"sources is {describe(sources)}: {spec.name} takes C = {spec.channels}, not "
            f"{channels}: ttd_jax.fuse takes pictures of one, three and four channels"
        )
    dtype = jnp.dtype(sources.dtype)
    if dtype in (jnp.uint8, jnp.uint16):
        return jnp.asarray(sources, jnp.float32) / jnp.iinfo(dtype).max
    if not jnp.issubdtype(dtype, jnp.floating):
        raise UserError(f"sources is {describe(sources)}: pass uint8, uint16 or floats in [0, 1]")
    sources = jnp.asarray(sources)
    sources = sources.astype(jnp.promote_types(sources.dtype, jnp.float32))
    if not isinstance(sources, jax.core.Tracer) and sources.size:
        low, high = float(sources.min()), float(sources.max())
        if bool(jnp.isnan(sources).any()):  # XLA's minimum may leave NaN out
            raise UserError("sources has NaN: fill these pixels, such as with jnp.nan_to_num")
        if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
            raise UserError(
                f"sources has values from {low:g} to {high:g}: floats must lie in [0, 1]: divide "
                "by the largest value of their range, or pass uint8 or uint16"
            )
    return sources


def _within(network, extent):
    """The network for arrays that hold a picture of `extent`; itself for None."""
    if extent is None:
        return network
    if not hasattr(network, "within"):
        raise UserError(f"{type(network).__name__} takes no extent: pass pictures of one size")
    return network.within(extent)


def static_fuse(
    network: FusionNetwork,
    sources: chex.Array,
    settings: dom.DominabilitySettings | None = None,
    *,
    extent: chex.Array | None = None,
    has_data: chex.Array | None = None,
) -> Fusion:
    """Fuses with the network as it was trained: every source weighs one.

    Args:
      network: a `Model`, a bound Flax backbone, or anything with its methods.
      sources: f32[M, H, W, C] in [0, 1], M >= 1, in the order of their roles; see `dynamic_fuse`.
      settings: which losses to report; the network's own by default.
      extent: see `dynamic_fuse`.
      has_data: see `dynamic_fuse`.

    Returns:
      A `Fusion` whose `dominability` is 1 / M where all sources have data. Under `jax.jit` unused
      fields cost nothing.

    Raises:
      UserError: see `dynamic_fuse`.

    Example:
      >>> fusion = jax.jit(ttd_jax.static_fuse)(model, sources)
      >>> float(fusion.dominability.max())
      0.5
    """
    sources = _as_sources(network, sources)
    _check_has_data(sources, has_data)
    sources = fill_in(sources, has_data)
    settings = _own_settings(network) if settings is None else settings
    network = _within(network, extent)
    parts = decompose(network, sources)
    losses = measure_losses(network, sources, parts, settings)
    even = jnp.full(losses.shape, 1.0 / sources.shape[0], losses.dtype)
    return Fusion(
        image=network.finish(parts.static),
        dominability=dom.mask_dominability(even, has_data),
        components=network.restore(parts.components),
        losses=losses,
    )


def dynamic_fuse(
    network: FusionNetwork,
    sources: chex.Array,
    settings: dom.DominabilitySettings | None = None,
    *,
    losses: chex.Array | Callable[[chex.Array], chex.Array] | None = None,
    extent: chex.Array | None = None,
    has_data: chex.Array | None = None,
    **fields: Any,
) -> Fusion:
    """Fuses with per-pixel weights found at test time (TTD).

    Decomposes the fusion into one component per source, measures its loss, turns the losses into
    RD and scales every source's features by M * RD before the network's own merge.

    Args:
      network: a `Model`, a bound Flax backbone, or anything with its methods: see `FusionNetwork`.
      sources: f32[M, H, W, C] in [0, 1], M >= 1, in the order of their roles. uint8 and uint16 are
        divided by their largest value, floats of other widths are converted. Outside of `jax.jit`
        and its like, values outside of [0, 1] and NaN are refused. Inside, nobody knows them: NaN
        spreads as far as the network sees, which may be the whole picture.
      settings: how losses become weights; the network's own by default.
      losses: f32[M, H, W], loss maps to use in place of the settings'; or what becomes of these
        before they are weighed, a function f32[M, H, W] -> f32[M, H, W]: see `steady_losses`.
      extent: i32[2], height and width of a picture in the top left corner of larger arrays, so that
        pictures of different sizes share a program, and a batch. Beyond it the sources hold
        anything finite, and so do the results.
      has_data: bool[M, H, W], where each source has data; None for everywhere. RD at a pixel
        belongs to the sources that have some there; the network sees these in the place of the
        others, whose pixels are not looked at: see `mask_dominability`, `fill_in`. Where none has
        data they are, and RD is as it would be without a mask.
      **fields: of the settings, to be changed: `temperature=50.0`.

    Returns:
      A `Fusion`. With equal losses everywhere it equals `static_fuse`.

    Raises:
      UserError: sources or a mask of another rank, dtype, range or size; a network that is not
        separable; a value that a field of the settings may not have; outside of `jax.jit`, losses
        that are no finite numbers.
      AssertionError: if `losses` does not fit the sources.

    Example:
      >>> fusion = jax.jit(ttd_jax.dynamic_fuse)(model, sources)
      >>> fusion.image.shape, fusion.dominability.shape
      ((16, 16, 3), (2, 16, 16))
      >>> sharper = jax.jit(ttd_jax.dynamic_fuse)(model, sources, temperature=50.0)
      >>> batch = jax.vmap(ttd_jax.dynamic_fuse, in_axes=(None, 0))(model, scenes)
      >>> batch.image.shape
      (2, 16, 16, 3)

    Reference: the paper's section 4 and eq. 6.
    """
    if not getattr(network, "separable", True):
        spec = getattr(network, "spec", None)
        raise inseparable(type(network).__name__ if spec is None else spec.name)
    sources = _as_sources(network, sources)
    _check_has_data(sources, has_data)
    sources = fill_in(sources, has_data)
    settings = _own_settings(network) if settings is None else settings
    if not isinstance(settings, dom.DominabilitySettings):
        raise UserError(
            f"settings is {describe(settings)}: pass a DominabilitySettings; loss maps are losses="
        )
    if fields:
        settings = settings.replace(**fields)
    network = _within(network, extent)
    parts = decompose(network, sources)
    if losses is None or callable(losses):
        measured = measure_losses(network, sources, parts, settings)
        losses = measured if losses is None else losses(measured)
    chex.assert_shape(losses, sources.shape[:3])
    rd, weights = dom.weigh_losses(losses, settings, has_data)
    return Fusion(
        image=recompose(network, parts, weights),
        dominability=rd,
        components=network.restore(parts.components),
        losses=losses,
    )


def fuse(
    network: FusionNetwork,
    sources: chex.Array,
    settings: dom.DominabilitySettings | None,
    *,
    losses: chex.Array | Callable[[chex.Array], chex.Array] | None = None,
    extent: chex.Array | None = None,
    has_data: chex.Array | None = None,
) -> Fusion:
    """Fuses by a strategy: dynamically with its settings, or statically for None.

    Args:
      network: see `dynamic_fuse`.
      sources: f32[M, H, W, C] in [0, 1], M >= 1, in the order of their roles.
      settings: how losses become weights; None for the static fusion, which reports the losses of
        the network's own settings.
      losses: see `dynamic_fuse`; no static fusion has any.
      extent: see `dynamic_fuse`.
      has_data: see `dynamic_fuse`.
    """
    options = {"extent": extent, "has_data": has_data}
    if settings is None:
        return static_fuse(network, sources, **options)
    return dynamic_fuse(network, sources, settings, losses=losses, **options)
