"""Networks that see little around a pixel: whole fusions of windows.

IFCNN is one as it is. PIAFusion is one once the means over all pixels are known that its streams
exchange; one sweep a level measures them.
"""

import functools

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from ttd_jax.backbones import Model
from ttd_jax.backbones.ifcnn import IFCNN
from ttd_jax.backbones.piafusion import PIAFusion
from ttd_jax.core import color, fusion
from ttd_jax.tiling.maps import SceneOptions, parts_and_sums
from ttd_jax.tiling.sweeps import Sweeper, Work

# How far, in pixels, features depend on the sources and a picture on the latent.
_RADII = {IFCNN: (4, 1), PIAFusion: (4, 4)}
# Of PIAFusion: after each of these its streams exchange, and what the mean is called.
_LEVELS = {"level2": "mean2", "level3": "mean3", "level4": "mean4"}


class MeasuredPIAFusion(PIAFusion):
    """PIAFusion with the means of its exchanges given, in the collection 'means'.

    One f32[3, C] a level: of the two sources, then of each source on both inputs.
    """

    def encode(self, x):
        """See `PIAFusion.encode`."""
        self._check(x)
        return jnp.stack(self._exchanged(x[0], x[1], lambda mean: mean[0]))

    def solo(self, x, features):
        """See `PIAFusion.solo`."""
        del features
        self._check(x)
        streams = self._exchanged(x, x, lambda mean: mean[1:, None, None])
        return self.decode(jnp.concatenate(streams, axis=-1), None)

    def measure(self, x, owned):
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


class LocalFuser:
    """Fuses scenes in windows with a network of `_RADII`."""

    def __init__(self, model: Model, options: SceneOptions):
        encoder, decoder = _RADII[type(model.module)]
        self._options = options
        self._model = model
        self._means = None
        if isinstance(model.module, PIAFusion):
            self._model = model.replace(
                module=MeasuredPIAFusion(
                    precision=model.module.precision, folded=model.module.folded
                )
            )
            self._means = Work(self._measure, halo=encoder)
        # The weights of a pixel come from components decoded around it, and it is decoded from
        # weighted features around it.
        passes = 2 if options.dynamic else 1
        self._fuse = Work(self._fuse_window, halo=encoder + passes * decoder)

    def __call__(self, sweeper: Sweeper, pictures, targets) -> dict:
        """Fuses one scene.

        Args:
          sweeper: runs what is to be done on the windows.
          pictures: M arrays [H, W, 1 or 3], integers or f32 in [0, 1].
          targets: dict of the arrays of `options.save`, [..., H, W, C].

        Returns:
          Sums over the pixels; see `parts_and_sums`.
        """
        variables = dict(self._model.variables)
        if self._means is not None:
            pixels = np.float32(np.prod(pictures[0].shape[:2]))
            features = self._model.params
            variables["means"] = {
                name: np.zeros((3, features[level]["visible"]["conv"]["bias"].size), np.float32)
                for level, name in _LEVELS.items()
            }
            for name in _LEVELS.values():
                sums = sweeper.sweep(self._means, variables, pictures)
                means = variables["means"] | {name: np.float32(sums[name] / pixels)}
                variables = variables | {"means": means}
        return sweeper.sweep(self._fuse, variables, pictures, targets)

    def _measure(self, variables, pictures, owned):
        model = self._model
        x = model.prepare(self._sources(pictures))
        return {}, model.module.apply(variables, x, owned, method="measure")

    def _sources(self, pictures):
        return color.network_sources(
            pictures, mode=self._options.mode, channels=self._options.channels
        )

    def _fuse_window(self, variables, pictures, owned):
        fuse = functools.partial(
            fusion.FUSE[self._options.strategy], self._model.replace(variables=variables)
        )
        fused = color.fuse_in_color(
            fuse, pictures, mode=self._options.mode, channels=self._options.channels
        )
        return parts_and_sums(fused, owned, self._options)
