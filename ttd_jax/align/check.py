"""Whether a source is shifted against the reference: cheap enough to be asked of every scene.

The shift is where the phase correlation of the two pictures' edges peaks. It counts only if that
peak stands out, and if the picture's blocks agree that shifted edges match better than those as
they lie: a warning that is wrong costs more than one that is missing. A turn or a zoom about the
middle goes unseen; with a few degrees or percent of them a shift is still found.

    shift = measure_shift(visible, infrared)
    if shift.off: ...  # infrared[row + shift.y, column + shift.x] shows visible[row, column]

Source: Kuglin and Hines, "The Phase Correlation Image Alignment Method", 1975; the doubled angle of
gradients, Granlund, "In Search of a General Picture Processing Operator", 1978. Edges taken so are
the same whether a thing is brighter than what is behind it or darker, as it is in infrared.
"""

import dataclasses
import math

import cv2
import numpy as np
import scipy.fft

from ttd_jax.align.gray import check_pictures, to_gray
from ttd_jax.errors import UserError

_LEAST = 64  # pixels of a side: in less room no peak stands out from others
# Pixels of a picture: larger ones are reduced, for a look at details and one without.
_FINE = 4e5
_COARSE = 6e4
_SMOOTH = 1.5  # standard deviation in pixels, before gradients are taken
_AROUND = 49  # pixels, side of the square whose mean an edge is measured against
_BAND = 0.08  # standard deviation in cycles per pixel of the frequencies that count
_REACH = 0.25  # of each side: the largest shift that is looked for
_PEAK = 10  # pixels from a peak to where another one may begin
_BLOCKS = 6  # in each direction
# Of 108 pairs of nine public sets none is off as it lies there, and of 216 pictures paired with
# another scene's none; with one source shifted by 3 to 40 pixels 71 % are.
_CLEAR = 1 / 3
_AGREED = 3.5
_OFF = 1.5  # pixels


@dataclasses.dataclass(frozen=True)
class Shift:
    """Where a source shows what the reference shows at the origin, and what speaks for it.

    Attributes:
      y: rows down, in pixels of the pictures as given.
      x: columns to the right.
      clarity: how far the next peak of the correlation stays below this one, in 0..1.
      agreement: of the picture's blocks, on that edges match better with the shift than without:
        the mean gain in standard errors (a paired t). 0 for no shift.
    """

    y: float = 0.0
    x: float = 0.0
    clarity: float = 0.0
    agreement: float = 0.0

    @property
    def pixels(self) -> float:
        """How far, whichever way."""
        return math.hypot(self.y, self.x)

    @property
    def clear(self) -> bool:
        """Whether the peak stands out; where it does not the numbers mean nothing."""
        return self.clarity > _CLEAR

    @property
    def off(self) -> bool:
        """Whether the source is shifted by more than 1.5 pixels, without much doubt."""
        return self.clear and self.agreement > _AGREED and self.pixels > _OFF


def measure_shift(reference: np.ndarray, source: np.ndarray) -> Shift:
    """How far a source is shifted against the reference, up to a quarter of each side.

    Args:
      reference: u8, u16 or f32 [H, W] or [H, W, 1 or 3], finite, in any range.
      source: the same size; its values need not be like the reference's.

    Returns:
      The shift; not clear if either is featureless or narrower than 64 pixels.

    Raises:
      UserError: they are of different sizes, or no pictures.

    Example:
      >>> scene = np.random.default_rng(0).integers(0, 256, (220, 220), np.uint8)
      >>> shift = measure_shift(scene[10:210, 10:210], scene[5:205, 3:203])
      >>> round(shift.y), round(shift.x)
      (5, 7)
    """
    check_pictures([reference, source])
    if reference.shape[:2] != source.shape[:2]:
        sizes = " and ".join(f"{h}x{w}" for h, w in (reference.shape[:2], source.shape[:2]))
        raise UserError(f"shifts are between pictures of one size, not {sizes}: take estimate")
    pixels = math.prod(reference.shape[:2])
    fine, coarse = (math.ceil(math.sqrt(pixels / most)) for most in (_FINE, _COARSE))
    shift = _look(reference, source, fine)
    if shift.off:
        return shift
    # Turned or zoomed as well, pictures match only where details are too small to see.
    rough = _look(reference, source, coarse)
    return rough if rough.off and rough.pixels > _OFF * coarse else shift


def _look(reference, source, factor):
    """The shift as pictures reduced by a whole factor show it."""
    if min(reference.shape[:2]) < _LEAST * factor:
        return Shift()
    first, second = (_edges(to_gray(_reduced(one, factor))) for one in (reference, source))
    if not (first.any() and second.any()):
        return Shift()
    y, x, clarity = _peak(_correlation(first, second))
    return Shift(factor * y, factor * x, clarity, _agreement(first, second, round(y), round(x)))


def _reduced(picture, factor):
    """In its own type: a large picture is held once."""
    if factor == 1:
        return picture
    height, width = (side // factor for side in picture.shape[:2])
    # Whole blocks only: a pixel is then the mean of factor x factor in both pictures.
    whole = picture[: height * factor, : width * factor]
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)


def _edges(gray):
    """c64[H, W]: the direction of each edge at twice its angle, as long as its local contrast."""
    smooth = cv2.GaussianBlur(gray, (0, 0), _SMOOTH)
    right, down = (cv2.Sobel(smooth, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1)))
    height = np.sqrt(right * right + down * down)  # cv2.magnitude varies with where arrays lie
    mean = cv2.blur(height, (_AROUND, _AROUND))
    contrast = np.sqrt(height / (mean + 0.1 * height.mean() + np.float32(1e-30)))
    direction = (right + 1j * down) / np.maximum(height, np.float32(1e-30))
    return contrast * direction**2


def _correlation(first, second):
    """f32[H', W'] of shifts, none at the origin, negative ones from the end."""
    window = np.outer(*(np.hanning(side + 2)[1:-1].astype(np.float32) for side in first.shape))
    shape = [scipy.fft.next_fast_len(side) for side in first.shape]
    one, other = (
        # Less their mean, or the window would be found in both, unshifted.
        scipy.fft.fft2((edges - np.average(edges, weights=window)) * window, shape)
        for edges in (first, second)
    )
    cross = one.conj() * other
    strength = np.abs(cross)
    down, right = (np.exp(-0.5 * (scipy.fft.fftfreq(side) / _BAND) ** 2) for side in shape)
    band = np.outer(down, right).astype(np.float32)
    strength += 1e-6 * strength.max()
    # The power 3/4, between plain correlation's 0 and phase correlation's 1.
    return scipy.fft.ifft2(cross * (band / np.sqrt(strength * np.sqrt(strength)))).real


def _peak(surface):
    """`(y, x, clarity)` of the highest point."""
    rows, columns = (int(_REACH * side) for side in surface.shape)
    near = np.roll(surface, (rows, columns), (0, 1))[: 2 * rows + 1, : 2 * columns + 1]
    row, column = map(int, np.unravel_index(near.argmax(), near.shape))
    height = near[row, column]
    if not height > 0:
        return 0.0, 0.0, 0.0
    y = row - rows + _vertex(near[:, column], row)
    x = column - columns + _vertex(near[row], column)
    others = near.copy()
    others[max(0, row - _PEAK) : row + _PEAK + 1, max(0, column - _PEAK) : column + _PEAK + 1] = 0
    return y, x, float(1 - max(0, others.max()) / height)


def _vertex(line, index):
    """From the highest sample to the top of the parabola through it and its neighbors."""
    if not 0 < index < len(line) - 1:
        return 0.0
    before, top, after = map(float, line[index - 1 : index + 2])
    curvature = before - 2 * top + after
    return 0.5 * (before - after) / curvature if curvature else 0.0


def _agreement(first, second, y, x):
    """The paired t of the blocks' likeness with the shift (y, x) against that without."""
    height, width = first.shape
    inside = np.s_[max(0, -y) : height - max(0, y), max(0, -x) : width - max(0, x)]
    shifted = np.s_[max(0, y) : height - max(0, -y), max(0, x) : width - max(0, -x)]
    gain = (first[inside].conj() * (second[shifted] - second[inside])).real
    blocks = cv2.resize(gain, (_BLOCKS, _BLOCKS), interpolation=cv2.INTER_AREA)
    error = blocks.std(ddof=1) / _BLOCKS
    return float(blocks.mean() / error) if error else 0.0
