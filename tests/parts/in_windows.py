"""Scenes fused in windows of a given height, of which memory would allow more."""

import numpy as np

from ttd_jax.core.fusion import Fusion
from ttd_jax.parts import SceneOptions, WindowFuser, WindowPlan, empty_maps

SAVE = ("fused", "dominability", "components", "losses")


def options_of(sources, settings, save=SAVE):
    channels = sources[0].shape[-1]
    mode = "rgb" if channels == 3 else "gray"
    return SceneOptions(settings=settings, mode=mode, channels=channels, save=save)


def kept(fuser, sources, rows, dtype=np.float32):
    """The maps that are kept, and the shares."""
    maps = empty_maps(fuser._options, len(sources), sources[0].shape[:2], dtype)
    return maps, fuser(list(sources), maps, WindowPlan(rows, windows=0, steps=0, memory=0))


def fuse_in_windows(model, sources, settings, rows, devices=None):
    """As `ttd_jax.dynamic_fuse`, or `static_fuse` without settings."""
    maps, _ = kept(WindowFuser(model, options_of(sources, settings), devices), sources, rows)
    return Fusion(
        image=maps["fused"],
        dominability=maps["dominability"][..., 0],
        components=maps["components"],
        losses=maps["losses"][..., 0],
    )
