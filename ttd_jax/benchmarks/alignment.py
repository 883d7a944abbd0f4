"""What it takes to check and to register a pair, beside what it takes to fuse it."""

import functools

import cv2
import jax
import numpy as np

from ttd_jax import align
from ttd_jax.benchmarks.timing import interleave
from ttd_jax.core.fusion import dynamic_fuse, static_fuse
from ttd_jax.networks import Model
from ttd_jax.networks.folding import fold

_DOWN, _RIGHT = 7, -12  # pixels by which the pair is off


def benchmark_alignment(model: Model, *, size: tuple[int, int], repeats: int) -> dict[str, dict]:
    """Times one pair of pictures, the second one negative and shifted.

    Args:
      model: that fuses them.
      size: (H, W).
      repeats: rounds.

    Returns:
      See `interleave`: 'check', the model of every warp, 'warp' (the second picture, by an affine
      map), 'ttd', and 'static', to which ratios are.
    """
    pair = _draw(size)
    known = [
        align.Transform(),
        align.Transform(((1, 0.01, 5), (-0.01, 1, -3), (0, 0, 1)), "affine"),
    ]
    channels = model.spec.channels
    sources = np.stack([np.repeat(np.float32(one)[..., None] / 255, channels, -1) for one in pair])
    sources = jax.device_put(sources)
    model = fold(model)
    # What else of a fusion is asked for is what else is computed.
    static, dynamic = (
        jax.jit(lambda model, sources, fuse=fuse: fuse(model, sources).image)
        for fuse in (static_fuse, dynamic_fuse)
    )
    functions = {
        "check": lambda: align.measure_shift(*pair),
        **{name: functools.partial(align.estimate, pair, model=name) for name in align.MODELS},
        "warp": lambda: align.warp(pair, known),
        **({"ttd": lambda: dynamic(model, sources)} if model.separable else {}),
        "static": lambda: static(model, sources),
    }
    return interleave(functions, repeats=repeats)


def _draw(size):
    """Two u8[H, W] of one scene."""
    height, width = size
    room = abs(_DOWN) + abs(_RIGHT)
    noise = np.random.default_rng(0).random((height + 2 * room, width + 2 * room), np.float32)
    scene = sum(cv2.GaussianBlur(noise, (0, 0), scale) * scale for scale in (1, 3, 9))
    scene = cv2.normalize(scene, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    starts = (room, room), (room - _DOWN, room - _RIGHT)
    first, second = (scene[y : y + height, x : x + width] for y, x in starts)
    return first, 255 - second
