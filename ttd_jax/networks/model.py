"""A network bound to its parameters, and RD as a Flax module."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from ttd_jax.core import color, fusion
from ttd_jax.core.dominability import LITERAL, LOSS_MAPS, STRATEGIES, DominabilitySettings
from ttd_jax.core.shapes import count, describe
from ttd_jax.errors import UserError, blaming
from ttd_jax.metrics import lacking
from ttd_jax.networks.base import Network
from ttd_jax.parts.part import WHOLE, Part
from ttd_jax.registry import unknown


@struct.dataclass
class Model:
    """A network, its variables and its RD settings: a pytree that jit, grad, vmap, pmap take.

    Attributes:
      variables: `{'params': ..., 'batch_stats': ...}`, f32 leaves: the only part that is traced.
      module: the unbound Flax module (static).
      settings: how its losses become weights (static); None where nothing can be weighed.
      spec: what is known of the network, a `FusionSpec` (static); None for one that nobody
        registered, with which the functions of `ttd_jax.core` work as well.
      part: which pixels of a picture the arrays hold that it is given: see `within`.
      last_step: the module's method that gives the final picture (static): see `saving`.

    Its methods are those of `ttd_jax.core.fusion.FusionNetwork`. Each is traced once a shape and
    kept, so what intercepts Flax methods has to be given the module itself. With the module's
    `precision='bfloat16'` they compute in bfloat16 and are float32 to the outside, so that losses,
    RD and gradients stay float32; `prepare`, `restore` and `finish` hold no layers.
    """

    variables: Any
    module: Network = struct.field(pytree_node=False)
    settings: DominabilitySettings | None = struct.field(pytree_node=False, default=LITERAL)
    spec: Any = struct.field(pytree_node=False, default=None)
    part: Part = WHOLE
    last_step: str = struct.field(pytree_node=False, default="finish")

    def __repr__(self) -> str:
        name = type(self.module).__name__ if self.spec is None else self.spec.name
        return f"Model({name}, {count(self.variables)},\n      {self.settings})"

    @property
    def coupled(self) -> bool:
        """See `ttd_jax.core.fusion.FusionNetwork`."""
        return self.module.coupled or not self.separable

    @property
    def separable(self) -> bool:
        """See `ttd_jax.core.fusion.FusionNetwork`."""
        return self.module.separable

    @property
    def params(self) -> Mapping[str, Any]:
        """The trainable part of `variables`."""
        return self.variables["params"]

    def within(self, extent: chex.Array) -> "Model":
        """The same for arrays that are larger than their picture.

        Args:
          extent: i32[2], height and width of the picture in the arrays' top left corner. Beyond it
            the arrays hold anything finite, and so do the results.

        Raises:
          UserError: the network looks around pixels in ways of its own.
        """
        if not self.module.in_parts:
            raise UserError(
                f"network {self._name!r} takes no extent, since not all its methods take a part: "
                "see ttd_jax.Network"
            )
        return self.replace(part=Part(extent=jnp.asarray(extent, jnp.int32)))

    def saving(self, mode: str) -> "Model":
        """The same, finishing pictures as its authors' script does in modes that are of it.

        Args:
          mode: see `ttd_jax.core.color.fuse_in_color`: 'network' or 'authors', or another one.
        """
        saving = self.spec and self.spec.saving
        # What is stretched is not clipped before.
        whole = mode == "authors" and saving is not None and bool(saving.stretch)
        return self.replace(last_step="unclipped" if whole else "finish")

    def strategy(self, name: str) -> DominabilitySettings | None:
        """The settings of a strategy by its name, None for the static fusion.

        Args:
          name: 'ttd' for this model's own settings, 'static', or what `FusionSpec.dominability`
            takes: a preset or a loss map.

        Raises:
          UserError: an unknown name, or a network where nothing can be weighed.
        """
        if name == "static":
            return None
        if not self.separable:
            raise fusion.inseparable(self._name)
        if name == "ttd":
            return self.settings
        presets = {} if self.spec is None else self.spec.presets
        known = dict.fromkeys((*STRATEGIES, *presets, *LOSS_MAPS))
        if isinstance(name, str) and name in known:
            own = dataclasses.replace(self.settings, loss=name) if self.spec is None else None
            return own or self.spec.dominability(name)
        raise unknown(name, known, kind="strategy", of=self._name, plugins=True)

    def prepare(self, sources: chex.Array) -> chex.Array:
        return self._shaped("prepare", self._apply("prepare", sources), sources.shape)

    def restore(self, raw: chex.Array) -> chex.Array:
        return self._shaped("restore", self._apply("restore", raw), raw.shape)

    def encode(self, x: chex.Array) -> Any:
        features = self._layers("encode", x)
        for leaf in jax.tree.leaves(features):
            if jnp.shape(leaf)[:1] != x.shape[:1]:
                raise self._wrong("encode", f"features of all {x.shape[0]} sources", leaf)
        return features

    def merge(self, features: Any, weights: chex.Array) -> Any:
        latent = self._layers("merge", features, weights)
        shapes = jax.tree.map(jnp.shape, features)
        if shapes and jax.tree.map(jnp.shape, latent) == shapes:
            raise self._wrong("merge", "one latent, without the axis of the sources", latent)
        return latent

    def decode(self, latent: Any, x: chex.Array | None) -> chex.Array:
        picture = self._layers("decode", latent, x)
        return picture if x is None else self._shaped("decode", picture, x.shape[1:])

    def solo(self, x: chex.Array, features: Any, copies: int = 1) -> chex.Array:
        # Alone is what methods of plug-ins may know nothing else of.
        several = {} if isinstance(copies, int) and copies == 1 else {"copies": copies}
        components = self._layers("solo", x, features, **several)
        own = type(self.module).solo is not Network.solo
        method = "solo" if own else "decode, of what merge gives for one source,"
        return self._shaped(method, components, x.shape)

    def finish(self, raw: chex.Array) -> chex.Array:
        found = self._apply(self.last_step, raw, **self._parts)
        return self._shaped(self.last_step, found, raw.shape)

    @property
    def _parts(self):
        return {"part": self.part} if self.module.in_parts else {}

    @property
    def _name(self):
        return type(self.module).__name__ if self.spec is None else self.spec.name

    def _shaped(self, method, found, shape):
        """What a method gave, which must be an array of a shape."""
        if getattr(found, "shape", None) != shape:
            raise self._wrong(method, f"float32{list(shape)}", found)
        return found

    def _wrong(self, method, due, found):
        given = ", ".join(map(describe, jax.tree.leaves(found)))
        return UserError(f"network {self._name!r}: {method} must give {due}, it gives {given}")

    def _layers(self, method, *args, **options):
        options |= self._parts
        if self.module.precision != "bfloat16":
            return self._apply(method, *args, **options)
        half = self.replace(variables=_cast(self.variables, jnp.bfloat16))
        args = _cast(args, jnp.bfloat16)
        return _cast(half._apply(method, *args, **options), jnp.float32)

    def _apply(self, method, *args, **options):
        with blaming(f"network {self._name!r}", f"fails in {method}"):
            return _call(self.module, method, self.variables, *args, **options)


@functools.partial(jax.jit, static_argnums=(0, 1), static_argnames="copies")
def _call(module, method, variables, *args, **options):
    # A fusion decodes twice and tracing takes seconds where XLA's work is kept in its cache.
    return module.apply(variables, *args, method=method, **options)


def _cast(tree, dtype):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), tree)


def takes_extents(
    model: Model, strategies: Iterable[DominabilitySettings | None], names: Iterable[str] = ()
) -> bool:
    """Whether fusions by some strategies are those of the pictures in the corner of larger arrays.

    Loss maps of plug-ins may look around a pixel, beyond where the picture ends.

    Args:
      model: the network, with its spec.
      strategies: RD settings, None for the static fusion.
      names: of the metrics that the fusions are scored by.

    Raises:
      UserError: methods of a plug-in take a part, and do not heed it.
    """
    own, strategies = LOSS_MAPS.own(), list(strategies)
    known = all(settings is None or settings.loss in own for settings in strategies)
    if not (model.module.in_parts and known) or lacking(names, "extent"):
        return False
    for settings in strategies:
        model.spec.try_part(model, settings)
    return True


def fuse_pictures(
    model: Model,
    pictures: Sequence[chex.Array],
    settings: DominabilitySettings | None,
    *,
    mode: str,
    losses: chex.Array | Callable[[chex.Array], chex.Array] | None = None,
    extent: chex.Array | None = None,
    has_data: chex.Array | None = None,
) -> fusion.Fusion:
    """Fuses pictures of which some have color, by one strategy.

    Args:
      model: the network, with its spec.
      pictures: M arrays f32[H, W, 1 or 3] in [0, 1]; three channels mean color.
      settings: how losses become weights; None for the static fusion.
      mode: see `ttd_jax.core.color.fuse_in_color`.
      losses: see `ttd_jax.dynamic_fuse`; no static fusion has any.
      extent: see there.
      has_data: bool[M, H, W], see there.
    """
    model = model.saving(mode)
    options = {"losses": losses, "extent": extent, "has_data": has_data}
    return color.fuse_in_color(
        lambda sources: fusion.fuse(model, sources, settings, **options),
        pictures,
        mode=mode,
        channels=model.spec.channels,
        has_data=has_data,
    )


class DynamicFusion(nn.Module):
    """Test-time dynamic fusion as a Flax module, to compose inside a larger one.

    Attributes:
      network: the fusion network.
      settings: how losses become weights.

    Example:
      >>> layer = DynamicFusion(model.module, model.settings)
      >>> loaded = {kind: {"network": tree} for kind, tree in model.variables.items()}
      >>> layer.apply(loaded, sources).image.shape
      (16, 16, 3)
      >>> anew = layer.init(jax.random.key(0), sources)  # random ones of the same shapes
    """

    network: Network
    settings: DominabilitySettings

    def __call__(
        self,
        sources: chex.Array,
        losses: chex.Array | None = None,
        has_data: chex.Array | None = None,
    ) -> fusion.Fusion:
        """Fuses f32[M, H, W, C] in [0, 1]; see `ttd_jax.dynamic_fuse`."""
        options = {"losses": losses, "has_data": has_data}
        return fusion.dynamic_fuse(self.network, sources, self.settings, **options)
