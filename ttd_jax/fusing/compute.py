"""The compiled program of a batch: one vmap over its scenes, compiled once per shape."""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax.backbones import BackboneRow, Model
from ttd_jax.backbones.illumination import Classifier, illumination
from ttd_jax.core import color as color_lib
from ttd_jax.core import fusion as fusion_lib
from ttd_jax.data.images import read_picture
from ttd_jax.fusing.options import FuseOptions

_FUSE = {"ttd": fusion_lib.dynamic_fuse, "static": fusion_lib.static_fuse}


class BatchFuser:
    """Fuses batches; keeps one compiled program per shape."""

    def __init__(self, model: Model, row: BackboneRow, options: FuseOptions):
        self._model = model
        self._channels = row.channels
        self._options = options
        self._programs = {}

    def __call__(self, pictures):
        """Fuses one batch.

        Args:
          pictures: M arrays f32[B, H, W, 1 or 3] in [0, 1].

        Returns:
          `(results, compile_seconds)`: a dict of numpy arrays with the leading axis B: `dominates`
          and `mean_dominability` [B, M], and whatever the options save: `fused`, `dominability`,
          `components`, `losses`; zero seconds where the program was there already.
        """
        shapes = tuple(picture.shape for picture in pictures)
        seconds = 0.0
        if shapes not in self._programs:
            start = time.perf_counter()
            self._programs[shapes] = self._compile(pictures)
            seconds = time.perf_counter() - start
        results = self._programs[shapes](self._model, pictures)
        return {name: np.asarray(array) for name, array in results.items()}, seconds

    def _compile(self, pictures):
        mode = self._options.resolve_color(tuple(p.shape[-1] == 3 for p in pictures))
        one = functools.partial(
            fuse_scene,
            strategy=self._options.strategy,
            mode=mode,
            channels=self._channels,
            save=self._options.save,
        )
        batched = jax.jit(jax.vmap(one, in_axes=(None, 0)))
        return batched.lower(self._model, pictures).compile()


def fuse_scene(model, pictures, *, strategy, mode, channels, save):
    """One scene: what its record and its files need; see `BatchFuser`."""
    fusion = color_lib.fuse_in_color(
        functools.partial(_FUSE[strategy], model), pictures, mode=mode, channels=channels
    )
    kept = {
        "fused": fusion.image,
        "dominability": fusion.dominability,
        "components": fusion.components,
        "losses": fusion.losses,
    }
    even = jnp.full(len(pictures), 1.0 / len(pictures))
    dynamic = strategy == "ttd"  # a static fusion's RD is a constant: nothing to measure
    return {
        "dominates": dominance_shares(fusion.dominability) if dynamic else even,
        "mean_dominability": jnp.mean(fusion.dominability, axis=(1, 2)) if dynamic else even,
        **{name: kept[name] for name in save},
        # The overlay shows RD over the fused picture.
        **({"fused": fusion.image} if "dominability" in save else {}),
    }


def dominance_shares(dominability):
    """Share of the pixels that each source dominates, f32[M] in [0, 1]; ties are split evenly.

    Args:
      dominability: f32[M, H, W].
    """
    leads = (dominability == jnp.max(dominability, axis=0)).astype(dominability.dtype)
    return jnp.mean(leads / jnp.sum(leads, axis=0), axis=(1, 2))


def day_probability(classifier: Classifier, path) -> float | None:
    """P(day) of a visible picture on disk; None if it is too small for the classifier."""
    picture = read_picture(path)
    if min(picture.size) < classifier.module.min_size:
        return None
    rgb = np.broadcast_to(picture.as_float(), (*picture.size, 3))
    return round(float(_illumination(classifier, rgb)), 6)


_illumination = jax.jit(illumination)
