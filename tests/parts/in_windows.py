"""Scenes fused in windows of a given height, of which memory would allow more."""

import numpy as np

from ttd_jax.core.fusion import Fusion
from ttd_jax.parts import SceneOptions, WindowFuser, WindowPlan, empty_maps

SAVE = ("fused", "dominability", "components", "losses")


def options_of(sources, settings, save=SAVE, **options):
    channels = sources[0].shape[-1]
    mode = "rgb" if channels == 3 else "gray"
    return SceneOptions(settings=settings, mode=mode, channels=channels, save=save, **options)


def kept(fuser, sources, rows, dtype=np.float32, has_data=None):
    """The maps that are kept, and the shares."""
    maps = empty_maps(fuser._options, len(sources), sources[0].shape[:2], dtype)
    plan = WindowPlan(rows, windows=0, steps=0, memory=0)
    return maps, fuser(list(sources), maps, plan, has_data=has_data)


def fuse_in_windows(model, sources, settings, rows, devices=None, has_data=None):
    """As `ttd_jax.dynamic_fuse`, or `static_fuse` without settings."""
    options = options_of(sources, settings, masked=has_data is not None)
    maps, _ = kept(WindowFuser(model, options, devices), sources, rows, has_data=has_data)
    return Fusion(
        image=maps["fused"],
        dominability=maps["dominability"][..., 0],
        components=maps["components"],
        losses=maps["losses"][..., 0],
    )
