"""A picture of Relative Dominability that a person can read."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.core.dominability import leading
from ttd_jax.core.quantization import as_float
from ttd_jax.report.caption import legend
from ttd_jax.report.palette import BLUE, GREEN, ORANGE, PURPLE, SKY_BLUE, VERMILION, rgb

_COLORS = (ORANGE, BLUE, GREEN, PURPLE, VERMILION, SKY_BLUE)
_MIN_WIDTH = 480
_TALLEST = 4096  # rows of what is enlarged
_BLOCK = 2**20  # pixels that are tinted at a time
_EVEN = 1e-6  # margins below are rounding
# Letters of the legend grow with the picture, which is mostly seen fitted to a screen or a sheet:
# so many in its width and in its height, but never smaller than so many pixels.
_ACROSS, _DOWN, _LEAST = 28, 16, 15


def tint(source: int) -> str:
    """The color of a source by its index, as '#rrggbb'; six colors in turn."""
    return _COLORS[source % len(_COLORS)]


def dominability_map(fused: np.ndarray, dominability: np.ndarray) -> np.ndarray:
    """The fused picture in gray, tinted by the source that dominates.

    The tint grows with the margin of the dominating source over an even split.

    Args:
      fused: [H, W, 1 or 3], f32 in [0, 1] or integers.
      dominability: f32[M, H, W], RD.

    Returns:
      u8[H, W, 3], RGB.
    """
    count = len(dominability)
    colors = np.array([rgb(tint(m)) for m in range(count)], np.float32)
    full = _full_tint(dominability)
    picture = np.empty((*dominability.shape[1:], 3), np.uint8)
    for rows in _blocks(dominability):
        part = dominability[:, rows]
        strength = np.clip((part.max(axis=0) - 1 / count) / (full or 1), 0, 1)[..., None] * 0.85
        # Lifted blacks: a tint must show in the dark as well.
        gray = 50 + 0.75 * 255 * np.mean(as_float(fused[rows]), axis=-1, keepdims=True)
        tinted = (1 - strength) * gray + strength * colors[np.argmax(part, axis=0)]
        picture[rows] = np.clip(tinted, 0, 255)
    return picture


def dominability_overlay(
    fused: np.ndarray, dominability: np.ndarray, labels: Sequence[str]
) -> np.ndarray:
    """`dominability_map` over a legend, for a file of its own.

    The legend gives each source's name, mean RD and share of dominated pixels (ties are split
    evenly, see `ttd_jax.core.dominability.dominance_shares`), and the RD of the full tint.

    Args:
      fused: [H, W, 1 or 3], f32 in [0, 1] or integers.
      dominability: f32[M, H, W], RD.
      labels: M names of the sources.

    Returns:
      u8[H', W', 3], RGB; small pictures are enlarged so that the legend can be read.

    Example:
      >>> fusion = ttd_jax.dynamic_fuse(model, sources)
      >>> overlay = ttd_jax.dominability_overlay(fusion.image, fusion.dominability, ("near", "far"))
      >>> overlay.shape[1:]
      (480, 3)
    """
    fused, dominability = np.asarray(fused), np.asarray(dominability)
    picture = _enlarge(dominability_map(fused, dominability))
    height, width = picture.shape[:2]
    size = max(_LEAST, min(width // _ACROSS, height // _DOWN))
    return np.concatenate([picture, legend(_legend_lines(dominability, labels), width, size=size)])


def _legend_lines(dominability, labels):
    even, full = 1 / len(labels), _full_tint(dominability)
    if not full:
        return [(None, f"every source weighs the same (RD {even:.2f}), as in static fusion")]
    led = sum(leading(dominability[:, rows]).sum(axis=(1, 2)) for rows in _blocks(dominability))
    shares, means = led / dominability[0].size, dominability.mean(axis=(1, 2), dtype=np.float64)
    lines = [
        (_ramp(tint(m)), f"{label}: dominates {share:.0%}, mean RD {mean:.3f}")
        for m, (label, share, mean) in enumerate(zip(labels, shares, means, strict=True))
    ]
    return [*lines, (None, f"tint: none at RD {even:.2f}, full at {even + full:.2f} or more")]


def _full_tint(dominability):
    """The margin of RD over an even split that has the full tint; 0 where every split is even."""
    margin = dominability.max(axis=0) - np.float32(1 / len(dominability))
    largest = float(margin.max())
    if largest < _EVEN:
        return 0.0
    most = float(np.percentile(margin, 99))
    return most if most > _EVEN else largest


def _blocks(dominability):
    """Slices of rows: temporaries of a large picture stay small."""
    height, width = dominability.shape[1:]
    step = max(1, _BLOCK // width)
    return [slice(start, start + step) for start in range(0, height, step)]


def _enlarge(picture):
    """At least `_MIN_WIDTH` wide; a very tall one is not enlarged but has a margin."""
    height, width = picture.shape[:2]
    factor = min(-(-_MIN_WIDTH // width), max(1, _TALLEST // height))
    picture = picture.repeat(factor, axis=0).repeat(factor, axis=1)
    margin = max(0, _MIN_WIDTH - picture.shape[1])
    return np.pad(picture, ((0, 0), (0, margin), (0, 0)), constant_values=255)


def _ramp(color):
    """A swatch from gray to a color."""
    steps = np.linspace(0, 1, 60, dtype=np.float32)[:, None]
    return ((1 - steps) * 128 + steps * np.array(rgb(color))).astype(np.uint8)[None]
