"""A model that computes in bfloat16 and is float32 to the outside."""

import jax
import jax.numpy as jnp

from ttd_jax.backbones import Model

COMPUTE_DTYPES = ("float32", "bfloat16")


class HalfModel(Model):
    """A `Model` whose layers run in bfloat16 on variables that stay float32.

    Casts on the way in and out, so that losses, RD and gradients are float32; `prepare`, `restore`
    and `finish`, which hold no layers, are not touched.
    """

    def encode(self, x):
        return self._half("encode", x)

    def merge(self, features, weights):
        return self._half("merge", features, weights)

    def decode(self, latent, x):
        return self._half("decode", latent, x)

    def solo(self, x, features):
        return self._half("solo", x, features)

    def _half(self, method, *args):
        half = self.replace(variables=_cast(self.variables, jnp.bfloat16))
        return _cast(half._apply(method, *_cast(args, jnp.bfloat16)), jnp.float32)


def _cast(tree, dtype):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), tree)
