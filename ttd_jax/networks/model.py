"""A network bound to its parameters, and RD as a Flax module."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from ttd_jax.core import color, fusion
from ttd_jax.core.dominability import LITERAL, DominabilitySettings
from ttd_jax.core.shapes import count
from ttd_jax.networks.base import Network


@struct.dataclass
class Model:
    """A network, its variables and its RD settings: a pytree that jit, grad, vmap, pmap take.

    Attributes:
      variables: `{'params': ..., 'batch_stats': ...}`, f32 leaves: the only part that is traced.
      module: the unbound Flax module (static).
      settings: how its losses become weights (static).
      spec: what is known of the network, a `FusionSpec` (static); None for one that nobody
        registered, with which the functions of `ttd_jax.core` work as well.

    Its methods are those of `ttd_jax.core.fusion.FusionNetwork`. Each is traced once a shape and
    kept, so what intercepts Flax methods has to be given the module itself. With the module's
    `precision='bfloat16'` they compute in bfloat16 and are float32 to the outside, so that losses,
    RD and gradients stay float32; `prepare`, `restore` and `finish` hold no layers.
    """

    variables: Any
    module: Network = struct.field(pytree_node=False)
    settings: DominabilitySettings = struct.field(pytree_node=False, default=LITERAL)
    spec: Any = struct.field(pytree_node=False, default=None)

    def __repr__(self) -> str:
        name = type(self.module).__name__ if self.spec is None else self.spec.name
        return f"Model({name}, {count(self.variables)},\n      {self.settings})"

    @property
    def coupled(self) -> bool:
        """See `ttd_jax.core.fusion.FusionNetwork`."""
        return self.module.coupled

    @property
    def params(self) -> Mapping[str, Any]:
        """The trainable part of `variables`."""
        return self.variables["params"]

    def strategy(self, name: str) -> DominabilitySettings | None:
        """The settings of a strategy by its name, None for the static fusion.

        Args:
          name: 'ttd' for this model's own settings, 'static', or what `FusionSpec.dominability`
            takes: a preset or a loss map.

        Raises:
          UserError: an unknown name.
        """
        if name == "static":
            return None
        return self.settings if name == "ttd" else self.spec.dominability(name)

    def prepare(self, sources: chex.Array) -> chex.Array:
        return self._apply("prepare", sources)

    def restore(self, raw: chex.Array) -> chex.Array:
        return self._apply("restore", raw)

    def encode(self, x: chex.Array) -> Any:
        return self._layers("encode", x)

    def merge(self, features: Any, weights: chex.Array) -> Any:
        return self._layers("merge", features, weights)

    def decode(self, latent: Any, x: chex.Array | None) -> chex.Array:
        return self._layers("decode", latent, x)

    def solo(self, x: chex.Array, features: Any) -> chex.Array:
        return self._layers("solo", x, features)

    def finish(self, raw: chex.Array) -> chex.Array:
        return self._apply("finish", raw)

    def _layers(self, method, *args):
        if self.module.precision != "bfloat16":
            return self._apply(method, *args)
        half = self.replace(variables=_cast(self.variables, jnp.bfloat16))
        return _cast(half._apply(method, *_cast(args, jnp.bfloat16)), jnp.float32)

    def _apply(self, method, *args):
        return _call(self.module, method, self.variables, *args)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _call(module, method, variables, *args):
    # A fusion decodes twice and tracing takes seconds where XLA's work is kept in its cache.
    return module.apply(variables, *args, method=method)


def _cast(tree, dtype):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), tree)


def fuse_pictures(
    model: Model,
    pictures: Sequence[chex.Array],
    settings: DominabilitySettings | None,
    *,
    mode: str,
) -> fusion.Fusion:
    """Fuses pictures of which some have color, by one strategy.

    Args:
      model: the network, with its spec.
      pictures: M arrays f32[H, W, 1 or 3] in [0, 1]; three channels mean color.
      settings: how losses become weights; None for the static fusion.
      mode: see `ttd_jax.core.color.fuse_in_color`.
    """
    return color.fuse_in_color(
        lambda sources: fusion.fuse(model, sources, settings),
        pictures,
        mode=mode,
        channels=model.spec.channels,
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

    def __call__(self, sources: chex.Array, losses: chex.Array | None = None) -> fusion.Fusion:
        """Fuses f32[M, H, W, C] in [0, 1]; see `ttd_jax.dynamic_fuse`."""
        return fusion.dynamic_fuse(self.network, sources, self.settings, losses=losses)
