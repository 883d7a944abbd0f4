"""How a source lies on a reference at one resolution: searched for everywhere, then refined."""

import dataclasses
import functools
import math

import cv2
import numpy as np

from ttd_jax.align import fitting
from ttd_jax.align.descriptors import channels, gradients
from ttd_jax.align.transform import corner_error, resizing

_POINTS = 20000  # of the reference, that a refinement looks at
_EDGE = 0.1  # the least energy of channels that makes a pixel such a point
_SOFT = 0.6  # the difference between two edges from which on they hardly pull
_BORDER = 2  # pixels at which a filter saw what is not there
_AREA = 80  # pixels that see about the same edge
_STILL = 0.01  # of a pixel: a smaller step ends a refinement
_MEMORY = 3  # steps by which the last is extrapolated
_FURTHER = 3  # times as long it is at most
_DISTINCT = 1e-2  # of the largest change between steps: less tells nothing


@dataclasses.dataclass(frozen=True)
class Level:
    """Two pictures at one resolution.

    Attributes:
      reference: f32[H, W].
      source: f32[h, w].
      full: (H, W) of the reference from which this one was made.
      full_source: (h, w) of the source's.
    """

    reference: np.ndarray
    source: np.ndarray
    full: tuple[int, int]
    full_source: tuple[int, int]

    @classmethod
    def of(cls, reference: np.ndarray, source: np.ndarray, side: int) -> "Level":
        """Both with a longer side of at most `side`."""
        pictures = (_shrunk(each, side) for each in (reference, source))
        return cls(*pictures, reference.shape, source.shape)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the reference here."""
        return self.reference.shape

    def inside(self, matrix: np.ndarray) -> np.ndarray:
        """A warp between the full pictures as one between these."""
        source, reference = self._ups
        return np.linalg.inv(source) @ matrix @ reference

    def outside(self, matrix: np.ndarray) -> np.ndarray:
        """A warp between these pictures as one between the full ones."""
        source, reference = self._ups
        matrix = source @ matrix @ np.linalg.inv(reference)
        return matrix / matrix[2, 2]

    @functools.cached_property
    def _ups(self):
        return (
            resizing(self.full_source, self.source.shape),
            resizing(self.full, self.reference.shape),
        )

    @functools.cached_property
    def channels(self) -> np.ndarray:
        """f32[5, H, W] of the reference."""
        return channels(self.reference)

    def warped(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Channels f32[5, H, W] of the warped source, and u8[H, W], 1 where it has data."""
        size, flags = self.size[::-1], cv2.WARP_INVERSE_MAP
        picture = cv2.warpPerspective(
            self.source,
            matrix,
            size,
            flags=flags | cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        inner = np.zeros(self.source.shape, np.uint8)
        inner[_BORDER:-_BORDER, _BORDER:-_BORDER] = 1
        seen = cv2.warpPerspective(inner, matrix, size, flags=flags | cv2.INTER_NEAREST)
        return channels(picture), seen

    @functools.cached_property
    def points(self) -> "Points":
        """Where the reference has edges."""
        energy = np.square(self.channels).sum(0)
        inner = np.zeros_like(energy)
        inner[_BORDER:-_BORDER, _BORDER:-_BORDER] = 1
        chosen = np.flatnonzero(energy * inner > _EDGE)
        chosen = chosen[:: max(1, len(chosen) // _POINTS)]
        slopes = [gradients(each) for each in self.channels]
        return Points(
            chosen,
            *np.divmod(chosen, self.size[1]),
            _at(self.channels, chosen),
            *(_at(np.stack(each), chosen) for each in zip(*slopes, strict=True)),
        )


@dataclasses.dataclass(frozen=True)
class Points:
    """The pixels of a reference that tell where a source lies.

    Attributes:
      index: i64[P], into its pixels.
      row: i64[P].
      column: i64[P].
      channels: f32[5, P].
      across: f32[5, P], their change to the right.
      down: f32[5, P].
    """

    index: np.ndarray
    row: np.ndarray
    column: np.ndarray
    channels: np.ndarray
    across: np.ndarray
    down: np.ndarray


def likeness(level: Level, matrix: np.ndarray) -> float:
    """The cosine between how edges run in the reference and in the warped source, where both are.

    1 for pictures whose edges are the same, about 0 where they have nothing in common.
    """
    warped, seen = level.warped(level.inside(matrix))
    warped, own = warped[1:], level.channels[1:]  # but the strength, which is like everywhere
    products = (own * warped, np.square(own), np.square(warped))
    both, one, other = (float((each.sum(0) * seen).sum(dtype=np.float64)) for each in products)
    return both / math.sqrt(one * other) if one > 0 and other > 0 else 0.0


def search(
    level: Level,
    start: np.ndarray,
    turns: tuple[float, ...],
    scales: tuple[float, ...],
    reach: float,
) -> list[np.ndarray]:
    """Warps at which a source might lie, the likeliest first.

    For each turn and scale about the middle, all shifts at once by Fourier transforms.

    Args:
      level: the pictures, small.
      start: f64[3, 3], between the full pictures.
      turns: degrees.
      scales: factors.
      reach: the largest shift along either axis, of the longer side.
    """
    size = level.size
    padded = tuple(cv2.getOptimalDFTSize(round(side + reach * max(size))) for side in size)
    reach = round(reach * max(size))
    reference = np.conj(_spectra(level.channels, padded))
    energy = np.square(level.channels).sum()
    found = []
    about = fitting.middle(size)
    for turn in turns:
        for scale in scales:
            change = about @ fitting.turned(turn, scale) @ np.linalg.inv(about)
            matrix = level.inside(start) @ change
            warped, seen = level.warped(matrix)
            warped *= seen
            plane = np.fft.irfft2((reference * _spectra(warped, padded)).sum(0), padded)
            plane = np.roll(plane, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1]
            plane /= np.sqrt(energy * np.square(warped).sum()) + 1e-9
            for _ in range(2):
                y, x = np.unravel_index(plane.argmax(), plane.shape)
                shift = np.array([[1, 0, x - reach], [0, 1, y - reach], [0, 0, 1]])
                found.append((plane[y, x], level.outside(matrix @ shift)))
                plane[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5] = -1
    found.sort(key=lambda each: -each[0])
    return [matrix for _, matrix in found]


def refine(
    level: Level,
    matrix: np.ndarray,
    model: str,
    *,
    start: np.ndarray,
    steps: int,
) -> np.ndarray | None:
    """The warp near `matrix` under which the edges fall upon each other.

    Gauss-Newton steps, each composed with the warp before it (Baker and Matthews,
    "Lucas-Kanade 20 Years On", IJCV 56(3), 2004); edges that only one picture has, or that differ
    much, pull little. Such steps are too short where little is alike: they are extrapolated.

    Args:
      level: the pictures.
      matrix: f64[3, 3], between the full pictures.
      model: one of `MODELS`.
      start: f64[3, 3], of which cameras hardly shear or bend what they see: where edges say little
        about that, this does.
      steps: at most so many.

    Returns:
      f64[3, 3], None where the steps lead nowhere.
    """
    points, about = level.points, fitting.middle(level.size)
    half, right, bottom = about[0, 0], about[0, 2], about[1, 2]
    across, down = fitting.directions(
        model, _scaled(points.column, right, half), _scaled(points.row, bottom, half)
    )
    xx, xy, yy = (
        (one * other).sum(0)
        for one, other in (
            (points.across, points.across),
            (points.across, points.down),
            (points.down, points.down),
        )
    )
    strength = np.square(points.channels).sum(0)
    inner, origin = level.inside(matrix), np.linalg.inv(level.inside(start) @ about)
    rare = fitting.rare(model)
    place, places, moves = fitting.vector(model, origin @ inner @ about), [], []
    for _ in range(steps):
        warped, seen = level.warped(inner)
        warped = _at(warped, points.index)
        difference = warped - points.channels
        weight = seen.ravel()[points.index] * np.sqrt(strength * np.square(warped).sum(0))
        weight /= np.square(1 + np.square(difference).sum(0) / np.float32(_SOFT**2))
        mixed = (across * (xy * weight)) @ down.T
        normal = (across * (xx * weight)) @ across.T + (down * (yy * weight)) @ down.T
        normal = (normal + mixed + mixed.T).astype(np.float64)
        pull = across @ ((points.across * difference).sum(0) * weight)
        pull = (pull + down @ ((points.down * difference).sum(0) * weight)).astype(np.float64)
        noise = _AREA * (np.square(difference).mean(0) @ weight) / (weight.sum() + 1e-9)
        unlikely = rare @ place * half
        normal += noise / half**2 * rare.T @ rare + np.eye(len(normal)) * 1e-6
        pull += noise / half**2 * rare.T @ unlikely
        step = fitting.small_matrix(model, np.linalg.solve(normal, pull) / half)
        move = fitting.vector(model, origin @ inner @ about @ np.linalg.inv(step)) - place
        places, moves = [*places, place][-_MEMORY:], [*moves, move][-_MEMORY:]
        place = place + _further(places, moves)
        before = inner
        inner = np.linalg.inv(origin) @ fitting.small_matrix(model, place) @ np.linalg.inv(about)
        inner /= inner[2, 2]
        moved = corner_error(before, inner, level.size)
        if not moved < max(level.size):  # nor a number
            return None
        if moved < _STILL:
            break
    return level.outside(inner)


def _further(places, moves):
    """f64[K], the last move as long as those before it let foresee.

    Anderson, "Iterative Procedures for Nonlinear Integral Equations", J. ACM 12(4), 1965.
    """
    moved, changed = (
        np.reshape([each[-1] - other for other in each[:-1]], (-1, len(moves[-1]))).T
        for each in (places, moves)
    )
    shares, *_ = np.linalg.lstsq(changed, moves[-1], rcond=_DISTINCT)
    step = moves[-1] - (moved + changed) @ shares
    longest = _FURTHER * np.linalg.norm(moves[-1])
    return step * min(1, longest / (np.linalg.norm(step) + 1e-30))


def _shrunk(picture, side):
    factor = side / max(picture.shape)
    if factor >= 1:
        return picture
    height, width = (max(8, round(each * factor)) for each in picture.shape)
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _spectra(planes, padded):
    return np.fft.rfft2(planes - planes.mean((1, 2), keepdims=True), padded)


def _at(planes, index):
    return planes.reshape(len(planes), -1)[:, index]


def _scaled(pixels, middle, half):
    return ((pixels - middle) / half).astype(np.float32)
