"""What scripts of networks' authors save: 8 bits, in the colors that each makes in its own way.

Sources: the test scripts of hli1221/densefuse-pytorch, HXY13/PFCFuse-Image-Fusion,
Linfeng-Tang/SeAFusion, AWCXV/MUFusion and the PyTorch port of PIAFusion. The arithmetic is float32
or integer, as theirs is.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from ttd_jax.core.color import pillow_gray
from ttd_jax.core.quantization import quantize

_ROWS = 128  # that are joined at a time: a large picture is in memory as integers only


@dataclasses.dataclass(frozen=True)
class Saving:
    """How the script of a network's authors gives it pictures and saves what comes out.

    It is given grays, or luma where colors are joined, and saves with the spec's `quantize`.

    Attributes:
      rgb: whether it is given RGB, and gives it.
      join: `(luma, *rgb) -> picture`: what is saved of fused luma f32[h, w, 1] and the colors of
        sources u8[h, w, 3]: f32[h, w, 3], clipped to [0, 1], or u8; None if grays are saved.
      merged: whether `join` takes all sources, if any has color; else the first that has.
      stretch: of 'gray' and 'color', which pictures are stretched, all channels together, to [0, 1]
        before they are saved.
    """

    rgb: bool = False
    join: Callable[..., np.ndarray] | None = None
    merged: bool = False
    stretch: tuple[str, ...] = ()

    def mode(self, colored: Sequence[bool]) -> str:
        """The mode of `ttd_jax.core.color.fuse_in_color` for sources of which some have color."""
        if self.rgb:
            return "rgb"
        return "authors" if self.stretch or (self.join and any(colored)) else "network"

    def given(self, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What the network is given of u8[H, W, 1 or 3]: the same where color is used."""
        used = range(len(pictures)) if self.rgb else self._used(pictures)
        return [
            picture if index in used or picture.shape[-1] == 1 else _grayed(picture)
            for index, picture in enumerate(pictures)
        ]

    def saved(self, fused: np.ndarray, pictures: Sequence[np.ndarray], how: str) -> np.ndarray:
        """The picture that is saved.

        Args:
          fused: f32[H, W, C], of the network.
          pictures: M arrays u8[H, W, 1 or 3], as `given` took them.
          how: see `ttd_jax.core.quantization.quantize`.

        Returns:
          u8[H, W, 3], or [H, W, C] where nothing is joined.
        """
        used = [pictures[index] for index in self._used(pictures)]
        if not used:
            if "gray" in self.stretch:
                low, span = _range([fused])
                fused = (fused - low) / span
            return quantize(fused, how=how)
        height, width = fused.shape[:2]
        strips = [slice(row, row + _ROWS) for row in range(0, height, _ROWS)]

        def joined(rows):
            return self.join(fused[rows], *(_as_rgb(picture[rows]) for picture in used))

        stretched = "color" in self.stretch
        low, span = _range(map(joined, strips)) if stretched else (np.float32(0), np.float32(1))
        found = np.empty((height, width, 3), np.uint8)
        for rows in strips:
            part = joined(rows)
            found[rows] = part if part.dtype == np.uint8 else quantize((part - low) / span, how=how)
        return found

    def _used(self, pictures):
        """Which of them give their color to what is saved."""
        colored = [i for i, picture in enumerate(pictures) if picture.shape[-1] == 3]
        if self.join is None or not colored:
            return []
        return [*range(len(pictures))] if self.merged else colored[:1]


def _range(parts):
    """The least value of a picture in parts, and how far the greatest lies above; one for none."""
    lows, highs = zip(*((part.min(), part.max()) for part in parts), strict=True)
    low, high = min(lows), max(highs)
    return low, high - low if high > low else np.float32(1)


def _grayed(rgb):
    """Gray in three channels: the luma of these is the same."""
    return np.repeat(pillow_gray(rgb), 3, axis=-1)


def _as_rgb(picture):
    return np.broadcast_to(picture, (*picture.shape[:-1], 3))


def join_ycrcb(luma: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """Fused luma with Cr and Cb of a source, as the scripts of PIAFusion and SeAFusion do it.

    Args:
      luma: f32[H, W, 1] in [0, 1].
      rgb: u8[H, W, 3].

    Returns:
      f32[H, W, 3] in [0, 1].
    """
    red, green, blue = np.split(rgb.astype(np.float32) / np.float32(255), 3, axis=-1)
    own = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
    cr = (red - own) * np.float32(0.713)
    cb = (blue - own) * np.float32(0.564)
    return _rgb(luma, cr, cb, (1.403, 0.714, 0.344, 1.773), 1)


def join_opencv(luma: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """Truncated luma with Cr and Cb of a source, by OpenCV's conversions of 8 bits.

    Those are in fixed point, of 14 bits; as PFCFuse's script does it.

    Args:
      luma: f32[H, W, 1] in [0, 1].
      rgb: u8[H, W, 3].

    Returns:
      u8[H, W, 3].
    """
    red, green, blue = np.split(rgb.astype(np.int32), 3, axis=-1)
    own = _descaled(4899 * red + 9617 * green + 1868 * blue)
    cr = np.clip(_descaled(11682 * (red - own)), -128, 127)
    cb = np.clip(_descaled(9241 * (blue - own)), -128, 127)
    luma = quantize(luma, how="truncate").astype(np.int32)
    green = luma + _descaled(-5636 * cb - 11698 * cr)
    found = [luma + _descaled(22987 * cr), green, luma + _descaled(29049 * cb)]
    return np.clip(np.concatenate(found, axis=-1), 0, 255).astype(np.uint8)


def join_ycbcr(luma: np.ndarray, *rgb: np.ndarray) -> np.ndarray:
    """Fused luma with chroma that has no offset, of one source or merged, as MUFusion's scripts do.

    Those of several sources are averaged with weights |C - 128|, as if they had the offset.

    Args:
      luma: f32[H, W, 1], in [0, 1] but for what `join` clips.
      *rgb: u8[H, W, 3].

    Returns:
      f32[H, W, 3] in [0, 1].
    """
    planes = [np.split(one.astype(np.float32), 3, axis=-1) for one in rgb]
    cb = [_weighted(plane, (-0.169, -0.331, 0.5)) for plane in planes]
    cr = [_weighted(plane, (0.5, -0.419, -0.081)) for plane in planes]
    coefficients = (1.402, 0.714136, 0.344136, 1.772)
    return _rgb(np.float32(255) * luma, _merged(cr), _merged(cb), coefficients, 255)


def _rgb(luma, cr, cb, coefficients, top):
    """RGB in [0, 1] of planes that reach from 0 to `top`, but for what is clipped."""
    red, green_cr, green_cb, blue = np.float32(coefficients)
    found = [luma + red * cr, luma - green_cb * cb - green_cr * cr, luma + blue * cb]
    return np.clip(np.concatenate(found, axis=-1), 0, top) / np.float32(top)


def _weighted(planes, weights):
    red, green, blue = np.float32(weights)
    return red * planes[0] + green * planes[1] + blue * planes[2]


def _merged(planes):
    if len(planes) == 1:
        return planes[0]
    planes = np.stack(planes)
    weights = np.abs(planes - np.float32(128))  # never zero: without an offset they end at 127.5
    return (planes * weights).sum(axis=0) / weights.sum(axis=0)


def _descaled(x):
    return (x + (1 << 13)) >> 14
