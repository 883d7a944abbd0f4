"""What every fusion network provides, with defaults for what most of them share."""

import functools
import inspect
from typing import Any, ClassVar

import chex
import jax
import jax.numpy as jnp
from flax import linen as nn

from ttd_jax.parts.part import WHOLE, Part

# float32; TF32 on GPUs and three passes of bfloat16 on TPUs; the device's fastest, TF32 or one pass
# of bfloat16; and everything in bfloat16, see `Model`.
PRECISIONS = ("highest", "high", "default", "bfloat16")


class Network(nn.Module):
    """A fusion network: encoders, a merge and a decoder.

    Subclasses define `encode`, `merge` and `decode`; the contract of each method is that of
    `ttd_jax.core.fusion.FusionNetwork`. Every method takes one sample, channels last. One whose
    `encode`, `merge`, `decode`, `solo` and `finish` take a `part`, too, and look at pixels by its
    `run`, `measure`, `map`, `mean` and `extremes` only, is computed in parts: see `ttd_jax.parts`.

    Attributes:
      precision: of convolutions and matrix products. The default is full float32 everywhere: TPUs
        would otherwise use bfloat16 and NVIDIA GPUs may use TF32, which changes RD silently. One
        of `PRECISIONS`, or what `jax.lax` takes.
      folded: whether the variables are those that `fold` returns.
      coupled: whether a source's features depend on the other sources.
      separable: whether each source has features of its own, which weights can scale. Where all
        enter together there is nothing to weigh: it is fused statically only, and a component is
        the network with one source in the place of all.
    """

    precision: Any = jax.lax.Precision.HIGHEST
    folded: bool = False
    coupled: ClassVar[bool] = False
    separable: ClassVar[bool] = True

    @property
    def in_parts(self) -> bool:
        """Whether its methods take a `part`."""
        return _take_parts(type(self))

    def prepare(self, sources: chex.Array) -> chex.Array:
        """Images in [0, 1] to the network's domain; by default the same."""
        return sources

    def restore(self, raw: chex.Array) -> chex.Array:
        """The inverse of `prepare`; unclipped."""
        return raw

    def encode(self, x: chex.Array) -> Any:
        """Features with the leading axis M on every leaf."""
        raise NotImplementedError(f"{type(self).__name__} defines no encode")

    def merge(self, features: Any, weights: chex.Array) -> Any:
        """One latent, structured like one source's features."""
        raise NotImplementedError(f"{type(self).__name__} defines no merge")

    def decode(self, latent: Any, x: chex.Array | None) -> chex.Array:
        """A picture in the network's domain; its residual, if any, is picked from `x`."""
        raise NotImplementedError(f"{type(self).__name__} defines no decode")

    def solo(self, x: chex.Array, features: Any, part: Part = WHOLE, copies: int = 1) -> chex.Array:
        """Components: copies of each source merged with weight one, decoded without residual."""
        copies = copies if self.separable else x.shape[0]
        parts = {"part": part} if self.in_parts else {}
        repeat = functools.partial(_repeated, copies)

        def one(network, feature, weight):
            alone = jax.tree.map(lambda leaf: part.map(repeat, leaf), feature)
            latent = network.merge(alone, part.map(repeat, weight), **parts)
            return network.decode(latent, None, **parts)

        if x.shape[0] == 1:  # as pictures come whose steps are put off
            feature = jax.tree.map(lambda leaf: part.map(_only_one, leaf), features)
            return part.map(_as_only_one, one(self, feature, part.map(_weights, x)))
        over_sources = nn.vmap(
            one, variable_axes={"params": None, "batch_stats": None}, split_rngs={"params": False}
        )
        return over_sources(self, features, jnp.ones(x.shape[:-1], x.dtype))

    def finish(self, raw: chex.Array, part: Part = WHOLE) -> chex.Array:
        """The final picture in [0, 1]; by default restored and clipped."""
        return part.map(_clip, part.map(self.restore, raw))

    def unclipped(self, raw: chex.Array, part: Part = WHOLE) -> chex.Array:
        """The final picture, restored and no more."""
        return part.map(self.restore, raw)

    def fold(self, variables: Any) -> Any:
        """Variables for the same network with `folded=True`; by default nothing is to be folded.

        Neighboring linear layers made one; see `ttd_jax.networks.folding`.
        """
        return variables

    def __call__(self, sources: chex.Array) -> chex.Array:
        """The static fusion of f32[M, H, W, C] in [0, 1]: f32[H, W, C] in [0, 1]."""
        x = self.prepare(sources)
        weights = jnp.ones(x.shape[:-1], x.dtype)
        return self.finish(self.decode(self.merge(self.encode(x), weights), x))


def _as_only_one(x):
    return x[None]


def _repeated(copies, x):
    return jnp.broadcast_to(x[None], (copies, *x.shape))


def _only_one(x):
    return x[0]


def _weights(x):
    return jnp.ones(x.shape[1:-1], x.dtype)


@functools.cache
def _take_parts(network):
    methods = (network.encode, network.merge, network.decode, network.solo, network.finish)
    return all("part" in inspect.signature(method).parameters for method in methods)


def _clip(x):
    return jnp.clip(x, 0.0, 1.0)
