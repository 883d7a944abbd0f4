"""Local networks, which see little around a pixel: whole fusions of windows."""

from collections.abc import Mapping, Sequence

import numpy as np

from ttd_jax.core import color, filling, fusion
from ttd_jax.parts.maps import SceneOptions, as_mask, mix_in, parts_and_sums
from ttd_jax.parts.part import Part
from ttd_jax.parts.sweeps import Sweeper, Work


class LocalFuser:
    """Fuses scenes in windows with a network that is local.

    Args:
      model: the network, a `ttd_jax.networks.Model`.
      options: how it fuses and what is kept.
      features: how far, in pixels, its features depend on the sources.
      picture: how far a decoded picture depends on the latent.
      align: windows begin at multiples of so many pixels, and end as the picture does modulo them:
        the product of the network's strides.

    Attributes:
      halo: how far a fused pixel depends on what is around it.
    """

    def __init__(
        self,
        model: fusion.BoundNetwork,
        options: SceneOptions,
        features: int,
        picture: int,
        align: int = 1,
    ):
        self._model, self._options = model, options
        # The weights of a pixel come from components decoded around it, and it is decoded from
        # weighted features around it.
        passes = 2 if options.dynamic else 1
        self.halo = features + passes * picture + (filling.REACH if options.masked else 0)
        self._fuse = Work(self._fuse_window, self.halo, align)

    def __call__(
        self,
        sweeper: Sweeper,
        pictures: Sequence[np.ndarray],
        targets: Mapping[str, np.ndarray],
        has_data: np.ndarray | None = None,
        carried: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> dict:
        """Fuses one scene.

        Args:
          sweeper: runs what is to be done on the windows.
          pictures: M arrays [H, W, 1 or 3], integers or f32 in [0, 1].
          targets: dict of the arrays of `options.save`, [..., H, W, C].
          has_data: bool[M, H, W, 1], if `options.masked`.
          carried: losses f32[M, H, W, 1] of the frame before and bool[1, H, W, 1], where they are
            known, if `options.smooth`: see `mix_in`.

        Returns:
          Sums over the pixels; see `parts_and_sums`.
        """
        return sweeper.sweep(
            self._fuse, self._model.variables, (pictures, has_data, carried), targets
        )

    def _fuse_window(self, variables, windows, owned):
        model, (pictures, has_data, carried) = self._model.replace(variables=variables), windows
        settings, smooth = self._options.settings, self._options.smooth
        own = {"has_data": as_mask(has_data)}
        if carried is not None:
            own["losses"] = lambda losses: mix_in(smooth, losses, *carried)
        fused = color.fuse_in_color(
            lambda sources: fusion.fuse(model, sources, settings, **own),
            pictures,
            mode=self._options.mode,
            channels=self._options.channels,
            has_data=own["has_data"],
        )
        return parts_and_sums(fused, Part(owned=owned), self._options)
