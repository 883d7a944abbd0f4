"""A picture of Relative Dominability that a person can read."""

import cv2
import numpy as np

# Color-blind safe (Okabe and Ito), RGB: one per source.
COLORS = np.array(
    [(230, 159, 0), (0, 114, 178), (0, 158, 115), (204, 121, 167), (213, 94, 0), (86, 180, 233)],
    np.float32,
)
_MIN_WIDTH = 480
_BLOCK = 2**20  # pixels that are tinted at a time
_TEXT = 15  # pixels
_ROW = 26


def dominability_overlay(fused, dominability, labels) -> np.ndarray:
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
    colors = COLORS[np.arange(count) % len(COLORS)]
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
        gray = 50 + 0.75 * 255 * np.mean(_as_float(fused[rows]), axis=-1, keepdims=True)
        tinted = (1 - strength) * gray + strength * colors[leader]
        picture[rows] = np.clip(tinted, 0, 255)
    picture = _enlarge(picture)
    rows = [
        f"{label}: dominates {led[m] / margin.size:.0%}, mean RD {np.mean(dominability[m]):.3f}"
        for m, label in enumerate(labels)
    ]
    return np.concatenate([picture, _legend(rows, colors, picture.shape[1], count, full)])


def _as_float(picture):
    if np.issubdtype(picture.dtype, np.integer):
        return picture / np.float32(np.iinfo(picture.dtype).max)
    return picture


def _enlarge(picture):
    factor = -(-_MIN_WIDTH // picture.shape[1])
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _legend(rows, colors, width, count, full):
    height = _ROW * (len(rows) + 1) + 8
    strip = np.full((height, width, 3), 255, np.uint8)
    for i, (row, color) in enumerate(zip(rows, colors, strict=True)):
        top = 6 + i * _ROW
        ramp = np.linspace(0, 1, 60, dtype=np.float32)[:, None]
        strip[top : top + 16, 10:70] = ((1 - ramp) * 128 + ramp * color).astype(np.uint8)
        _write(strip, row, (80, top + 14))
    even = 1 / count
    _write(
        strip,
        f"tint: from an even split (RD {even:.2f}) to RD {even + full:.2f} or more",
        (10, 6 + len(rows) * _ROW + 14),
    )
    return strip


def _write(image, text, position):
    cv2.putText(image, text, position, (20, 20, 20), cv2.FontFace("sans"), _TEXT)
