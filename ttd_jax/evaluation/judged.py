"""What is judged of the pictures of a scene."""

from collections.abc import Sequence

import numpy as np

from ttd_jax import metrics
from ttd_jax.core.color import LUMA
from ttd_jax.pictures.images import Picture


def judged_planes(fused: Picture, sources: Sequence[Picture], protocol: str) -> dict:
    """The arrays that `metrics.evaluate` takes, by its names: `fused` and `sources`.

    Args:
      fused: the result; it is judged in 8 bits, as the sources are.
      sources: of its size.
      protocol: a key of `metrics.PROTOCOLS`.
    """
    return {
        "fused": metrics.fused_planes(fused.as_bytes(), protocol=protocol),
        "sources": metrics.source_planes(
            [source.as_bytes() for source in sources], protocol=protocol
        ),
    }


def luma_of(picture: Picture) -> np.ndarray:
    """The luma f32[H, W] of a picture in 0..255, by BT.601, not rounded."""
    pixels = 255 * picture.as_float()
    return pixels @ np.float32(LUMA) if picture.colored else pixels[..., 0]


def gray_of(picture: Picture) -> np.ndarray:
    """The same u8[H, W], rounded: what motion is measured in."""
    return np.rint(luma_of(picture)).astype(np.uint8)
