"""A network bound to its parameters, and RD as a Flax module."""

import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from ttd_jax.backbones.base import Backbone
from ttd_jax.core import fusion
from ttd_jax.core.dominability import DominabilitySettings


@struct.dataclass
class Model:
    """A backbone, its variables and its RD settings: a pytree that jit, grad, vmap, pmap take.

    Attributes:
      variables: `{'params': ..., 'batch_stats': ...}`, f32 leaves: the only part that is traced.
      module: the unbound Flax module (static).
      settings: how its losses become weights (static).

    Its methods are those of `ttd_jax.core.fusion.FusionNetwork`. Each is traced once a shape and
    kept, so what intercepts Flax methods has to be given the module itself. With the module's
    `precision='bfloat16'` they compute in bfloat16 and are float32 to the outside, so that losses,
    RD and gradients stay float32; `prepare`, `restore` and `finish` hold no layers.
    """

    variables: Any
    module: Backbone = struct.field(pytree_node=False)
    settings: DominabilitySettings = struct.field(
        pytree_node=False, default_factory=DominabilitySettings
    )

    @property
    def params(self):
        """The trainable part of `variables`."""
        return self.variables["params"]

    def prepare(self, sources):
        return self._apply("prepare", sources)

    def restore(self, raw):
        return self._apply("restore", raw)

    def encode(self, x):
        return self._layers("encode", x)

    def merge(self, features, weights):
        return self._layers("merge", features, weights)

    def decode(self, latent, x):
        return self._layers("decode", latent, x)

    def solo(self, x, features):
        return self._layers("solo", x, features)

    def finish(self, raw):
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


class DynamicFusion(nn.Module):
    """Test-time dynamic fusion as a Flax module, to compose inside a larger one.

    Attributes:
      backbone: the fusion network.
      settings: how losses become weights.

    Example:
      >>> layer = DynamicFusion(IFCNN(operator="sum"), DominabilitySettings())
      >>> variables = layer.init(jax.random.key(0), jnp.zeros((2, 8, 8, 3)))
      >>> layer.apply(variables, jnp.zeros((2, 8, 8, 3))).image.shape
      (8, 8, 3)
    """

    backbone: Backbone
    settings: DominabilitySettings = DominabilitySettings()

    def __call__(self, sources: chex.Array, losses: chex.Array | None = None) -> fusion.Fusion:
        """Fuses f32[M, H, W, C] in [0, 1]; see `ttd_jax.dynamic_fuse`."""
        return fusion.dynamic_fuse(self.backbone, sources, self.settings, losses=losses)
