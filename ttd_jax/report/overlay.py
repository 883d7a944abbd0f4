"""A picture of Relative Dominability that a person can read."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.core.quantization import as_float
from ttd_jax.report.caption import legend
from ttd_jax.report.palette import BLUE, GREEN, ORANGE, PURPLE, SKY_BLUE, VERMILION, rgb

_COLORS = (ORANGE, BLUE, GREEN, PURPLE, VERMILION, SKY_BLUE)
_MIN_WIDTH = 480
_BLOCK = 2**20  # pixels that are tinted at a time


def tint(source: int) -> str:
    """The color of a source by its index, as '#rrggbb'; six colors in turn."""
    return _COLORS[source % len(_COLORS)]


def dominability_overlay(
    fused: np.ndarray, dominability: np.ndarray, labels: Sequence[str]
) -> np.ndarray:
    """The fused picture in gray, tinted by the source that dominates, over a legend.

    The tint grows with the margin of the dominating source over an even split; the legend gives
    the margin of the full tint, each source's name, mean RD and share of dominated pixels.

    Args:
      fused: [H, W, 1 or 3], f32 in [0, 1] or integers.
      dominability: f32[M, H, W], RD.
      labels: M names of the sources.

    Returns:
      u8[H', W', 3], RGB; small pictures are enlarged so that the legend can be read.
    """
    count, height = dominability.shape[:2]
    colors = np.array([rgb(tint(m)) for m in range(count)], np.float32)
    margin = np.max(dominability, axis=0) - np.float32(1.0 / count)
    full = float(np.percentile(margin, 99)) or 1.0
    picture = np.empty((*margin.shape, 3), np.uint8)
    led = np.zeros(count, int)
    step = max(1, _BLOCK // margin.shape[1])
    for rows in (slice(start, start + step) for start in range(0, height, step)):
        leader = np.argmax(dominability[:, rows], axis=0)
        led += np.bincount(leader.ravel(), minlength=count)
        strength = np.clip(margin[rows] / full, 0, 1)[..., None] * 0.85
        # Lifted blacks: a tint must show in the dark as well.
        gray = 50 + 0.75 * 255 * np.mean(as_float(fused[rows]), axis=-1, keepdims=True)
        tinted = (1 - strength) * gray + strength * colors[leader]
        picture[rows] = np.clip(tinted, 0, 255)
    picture = _enlarge(picture)
    lines = [
        (_ramp(colors[m]), f"{label}: dominates {led[m] / margin.size:.0%}, mean RD {mean:.3f}")
        for m, (label, mean) in enumerate(zip(labels, map(np.mean, dominability), strict=True))
    ]
    even = 1 / count
    scale = f"tint: from an even split (RD {even:.2f}) to RD {even + full:.2f} or more"
    lines.append((None, scale))
    strip = legend(lines, picture.shape[1], line=26, size=15, left=10, top=6)
    return np.concatenate([picture, strip])


def _enlarge(picture):
    factor = -(-_MIN_WIDTH // picture.shape[1])
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _ramp(color):
    """A swatch from gray to a color."""
    steps = np.linspace(0, 1, 60, dtype=np.float32)[:, None]
    row = ((1 - steps) * 128 + steps * color).astype(np.uint8)
    return np.broadcast_to(row, (16, *row.shape))
