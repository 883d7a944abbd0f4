"""The frames of a sequence as pictures, with their motion, ready before they are fused."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from ttd_jax.align import Registration
from ttd_jax.core.color import decoder_gray
from ttd_jax.pictures.ahead import ahead
from ttd_jax.pictures.aligning import warped
from ttd_jax.pictures.images import Picture, Reading
from ttd_jax.pictures.motion import Motion, measure_motion
from ttd_jax.pictures.ranges import of_sources, to_unit
from ttd_jax.pictures.steady_range import SteadyRange
from ttd_jax.pictures.video.pairing import RATE, Pairing
from ttd_jax.pictures.video.reading import read_frames
from ttd_jax.pictures.video.streams import Stream

Bounds = tuple[tuple[float, float] | None, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class SequenceFrame:
    """One moment of all streams.

    Attributes:
      number: of the frame in the sequence, from 0.
      pictures: M pictures of one size.
      motion: against the frame before, see `measure_motion`; None where nothing is carried on.
      gray: u8[M, H, W], what the motion was measured in; None likewise.
      bounds: of each stream's range, for who goes on after this frame.
    """

    number: int
    pictures: list[Picture]
    motion: Motion | None = None
    gray: np.ndarray | None = None
    bounds: Bounds = ()


class FrameReader:
    """Reads the frames of streams that belong together, ahead of who fuses them.

    Args:
      streams: M of them.
      pairing: which of their frames belong together.
      reading: what becomes black and white.
      registration: how the streams are brought to line up; None where they are as they are.
      steady: whether frames come with their motion, and ranges follow the frames slowly.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        pairing: Pairing,
        reading: Reading,
        *,
        registration: Registration | None = None,
        steady: bool,
    ):
        self._streams, self._indices = streams, pairing.indices
        self._chosen = of_sources(reading.ranges, len(streams))
        self._crop, self._registration = reading.align.crop, registration
        self._steady = steady
        rate = streams[0].rate or RATE
        self._ranges = [SteadyRange(chosen, rate=rate) for chosen in self._chosen]
        self._gray = None

    def first(self) -> list[Picture]:
        """The pictures of the first frame, before anything is aligned.

        Raises:
          UserError: see `read_frames` and `to_unit`.
        """
        return self._pictures(0, next(self._stored(slice(1))), self._chosen)

    def read(
        self, start: int, gray: np.ndarray | None, bounds: Bounds, *, count: int, fits: bool
    ) -> Iterator[SequenceFrame]:
        """The frames from one on, in their order.

        Args:
          start: the number of the first.
          gray: of the frame before; None for the first.
          bounds: of the ranges after it; () for the first.
          count: how many are read ahead.
          fits: whether any may be; if not, one at a time is in memory.

        Raises:
          UserError: see `read_frames` and `to_unit`.
        """
        self._gray = gray
        for steady, known in zip(self._ranges, bounds, strict=bool(bounds)):
            steady.bounds = known
        stored = self._stored(slice(start, None))
        numbers = range(start, len(self._indices))
        options = {"threads": 1, "fits": lambda item: fits}  # each follows the one before
        decoded = ahead(lambda number: next(stored), numbers, count, **options)
        for _, frame in ahead(lambda item: self._frame(*item), decoded, count, **options):
            yield frame

    def _stored(self, numbers):
        columns = self._indices[numbers].T
        return zip(*map(read_frames, self._streams, columns), strict=True)

    def _frame(self, number, stored):
        if not self._steady:
            pictures = self._pictures(number, stored, self._chosen)
            return SequenceFrame(number, self._lined_up(pictures))
        pictures = self._followed(number, stored)
        gray = _gray(pictures)
        motion = _unknown(gray) if self._gray is None else measure_motion(self._gray, gray)
        if motion.cut:
            for steady in self._ranges:
                steady.reset()
            pictures = self._followed(number, stored)
            gray = _gray(pictures)
        self._gray = gray
        bounds = tuple(steady.bounds for steady in self._ranges)
        return SequenceFrame(number, pictures, motion, gray, bounds)

    def _followed(self, number, stored):
        chosen = [steady.follow(one) for steady, one in zip(self._ranges, stored, strict=True)]
        return self._lined_up(self._pictures(number, stored, chosen))

    def _lined_up(self, pictures):
        return warped(pictures, self._registration, self._crop)

    def _pictures(self, number, stored, chosen):
        pictures, indices = [], self._indices[number]
        for stream, index, one, own in zip(self._streams, indices, stored, chosen, strict=True):
            pixels, scale, remark = to_unit(one, own, stream.frame_name(index))
            pictures.append(Picture(np.ascontiguousarray(pixels), scale=scale, remark=remark))
        return pictures


def _unknown(gray):
    size = gray.shape[1:]
    return Motion(np.zeros((*size, 2), np.float32), np.zeros(size, bool), cut=False)


def _gray(pictures):
    return np.stack([decoder_gray(picture.as_bytes())[..., 0] for picture in pictures])
