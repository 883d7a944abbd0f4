"""PIAFusion in windows: local, once the means over all pixels are known that its streams exchange.

One sweep a level measures them.
"""

from collections.abc import Mapping, Sequence

import chex
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from ttd_jax.networks.model import Model
from ttd_jax.networks.piafusion.network import PIAFusion
from ttd_jax.parts.local import LocalFuser, network_sources
from ttd_jax.parts.maps import SceneOptions
from ttd_jax.parts.sweeps import Sweeper, Work

_REACH = 4  # pixels, of the features as of the picture
# Of PIAFusion: after each of these its streams exchange, and what the mean is called.
_LEVELS = {"level2": "mean2", "level3": "mean3", "level4": "mean4"}


class MeasuredPIAFusion(PIAFusion):
    """PIAFusion with the means of its exchanges given, in the collection 'means'.

    One f32[3, C] a level: of the two sources, then of each source on both inputs.
    """

    def encode(self, x: chex.Array) -> chex.Array:
        """See `PIAFusion.encode`."""
        self._check(x)
        return jnp.stack(self._exchanged(x[0], x[1], lambda mean: mean[0]))

    def solo(self, x: chex.Array, features: chex.Array) -> chex.Array:
        """See `PIAFusion.solo`."""
        del features
        self._check(x)
        streams = self._exchanged(x, x, lambda mean: mean[1:, None, None])
        return self.decode(jnp.concatenate(streams, axis=-1), None)

    def measure(self, x: chex.Array, owned: chex.Array) -> dict[str, chex.Array]:
        """Sums over the owned pixels of what the streams lack, one f32[3, C] a level.

        Each is right once the means of the levels before are.

        Args:
          x: f32[2, H, W, 1].
          owned: bool[H, W, 1].
        """
        lacking = {}
        visible, infrared = x[jnp.array([0, 0, 1])], x[jnp.array([1, 0, 1])]
        self._exchanged(visible, infrared, lambda mean: mean[:, None, None], lacking)
        return {
            name: jnp.sum(jnp.where(owned, found, 0), axis=(-3, -2))
            for name, found in lacking.items()
        }

    def _exchanged(self, visible, infrared, of_pair, lacking=None):
        """The streams, and in `lacking` their differences; `of_pair` picks from the means."""
        streams = self.level1(visible, infrared)
        for level, name in _LEVELS.items():
            visible, infrared = getattr(self, level)(*streams)
            found = infrared - visible
            if lacking is not None:
                lacking[name] = found
            mean = of_pair(self.get_variable("means", name))
            streams = visible + found * nn.sigmoid(mean), infrared - found * nn.sigmoid(-mean)
        return self.level5(*streams)


class MeasuredFuser:
    """Fuses scenes in windows with PIAFusion; called as `LocalFuser` is."""

    def __init__(self, model: Model, options: SceneOptions):
        module = model.module
        self._model = model.replace(
            module=MeasuredPIAFusion(precision=module.precision, folded=module.folded)
        )
        self._options = options
        self._means = Work(self._measure, halo=_REACH)
        self._local = LocalFuser(self._model, options, _REACH, _REACH)

    def __call__(
        self, sweeper: Sweeper, pictures: Sequence[np.ndarray], targets: Mapping[str, np.ndarray]
    ) -> dict:
        """Fuses one scene; see `LocalFuser.__call__`."""
        params = self._model.params
        pixels = np.float32(np.prod(pictures[0].shape[:2]))
        means = {
            name: np.zeros((3, params[level]["visible"]["conv"]["bias"].size), np.float32)
            for level, name in _LEVELS.items()
        }
        for name in _LEVELS.values():
            variables = {**self._model.variables, "means": means}
            sums = sweeper.sweep(self._means, variables, pictures)
            means = means | {name: np.float32(sums[name] / pixels)}
        return self._local(
            sweeper, pictures, targets, variables={**self._model.variables, "means": means}
        )

    def _measure(self, variables, pictures, owned):
        x = self._model.prepare(network_sources(pictures, self._options))
        return {}, self._model.module.apply(variables, x, owned, method="measure")
