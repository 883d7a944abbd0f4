"""Which frames of several streams belong together: those nearest in time."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from ttd_jax.errors import UserError, counted
from ttd_jax.pictures.video.streams import Stream, typical_interval

RATE = 25.0  # frames a second where nothing tells
_EVEN = 1e-6  # seconds: times that differ by less in how near they are do so by rounding
_TOLERANCE = 0.75  # of the longer interval: half of it is the most that nearest frames are apart


@dataclasses.dataclass(frozen=True, eq=False)
class Pairing:
    """Frames that belong together.

    Attributes:
      indices: i64[N, M], the frame of each stream, by columns nondecreasing; the first column
        ascends.
      times: f64[N] in seconds, by the first stream's clock.
      remarks: what somebody should know of it, each in a line.
    """

    indices: np.ndarray
    times: np.ndarray
    remarks: tuple[str, ...]

    def until(self, seconds: float | None) -> "Pairing":
        """The frames before a time; all of them for None.

        Raises:
          UserError: there are none.
        """
        if seconds is None:
            return self
        kept = self.times < seconds
        if not kept.any():
            raise UserError(f"--until={seconds:g}: the first frame is at {self.times[0]:.2f} s")
        return dataclasses.replace(self, indices=self.indices[kept], times=self.times[kept])


def pair(streams: Sequence[Stream], offsets: Sequence[float] = ()) -> Pairing:
    """The frame of each other stream that is nearest in time to each frame of the first.

    A frame without one within 0.75 of the longer of two streams' frame intervals is left out.
    Streams without time stamps are paired by number if none has any, at 25 frames a second unless
    they were opened with one rate.

    Args:
      streams: two or more, the first of which gives the time.
      offsets: seconds that are added to the times of the others: one for all, or one for each.

    Raises:
      UserError: other counts where frames are paired by number, a stream without time stamps or a
        rate beside one with them, another number of offsets, or no frames that belong together.
    """
    first, *others = streams
    offsets = _of_others(offsets, len(others))
    if all(stream.times is None for stream in streams) and not any(offsets):
        return _by_number(streams)
    for stream in streams:
        if stream.times is None:
            raise UserError(f"{stream.name}: has no time stamps: pass --rate, its frames a second")
    columns, near = [np.arange(first.count)], np.ones(first.count, bool)
    remarks = []
    for other, offset in zip(others, offsets, strict=True):
        times = other.times + offset
        column = _nearest(times, first.times)
        found = np.abs(times[column] - first.times) <= _tolerance(first, other)
        if not found.any():
            raise UserError(
                f"{other.name}: lasts from {times[0]:.2f} to {times[-1]:.2f} s, {first.name} from "
                f"{first.times[0]:.2f} to {first.times[-1]:.2f} s, and no frames belong together: "
                "pass another --offset"
            )
        remarks += _remarks(first, other, times, column, found)
        columns.append(column)
        near &= found
    if not near.any():
        raise UserError(f"no frame of {first.name} has one of every other stream: pass --offset")
    return Pairing(np.stack(columns, axis=1)[near], first.times[near], tuple(remarks))


def _of_others(offsets, count):
    if len(offsets) not in (0, 1, count):
        raise UserError(
            f"{counted(len(offsets), 'offset')} for {counted(count, 'stream')} beside the first: "
            "pass one, or one for each"
        )
    if not np.isfinite(offsets).all():
        given = ", ".join(f"{offset:g}" for offset in offsets)
        raise UserError(f"offset {given}: is no number of seconds: pass another --offset")
    return tuple(offsets) * (count // len(offsets)) if len(offsets) else (0.0,) * count


def _by_number(streams):
    first = streams[0]
    for other in streams[1:]:
        if other.count != first.count:
            raise UserError(
                f"{first.name} holds {counted(first.count, 'frame')} but {other.name} "
                f"{other.count}, and neither has time stamps: remove frames without partners, or "
                "pass --rate, and --offset if one begins later"
            )
    numbers = np.arange(first.count)
    told = f"{first.name}: has no time stamps: {RATE:g} frames a second: --rate tells another"
    return Pairing(np.repeat(numbers[:, None], len(streams), axis=1), numbers / RATE, (told,))


def _nearest(times, wanted):
    """The index of the time nearest to each one wanted, the earlier of two; both ascend."""
    after = np.clip(np.searchsorted(times, wanted), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(wanted - times[before] <= times[after] - wanted + _EVEN, before, after)


def _tolerance(first, other):
    intervals = [typical_interval(stream.times) or 1 / RATE for stream in (first, other)]
    return _TOLERANCE * max(intervals)


def _remarks(first, other, times, column, found):
    missing = np.flatnonzero(~found)
    if missing.size:
        yield (
            f"{first.name}: {missing.size} of {counted(first.count, 'frame')} left out, which have "
            f"none of {other.name} at their time, the first at {first.times[missing[0]]:.2f} s"
        )
    steps = np.diff(column[found])
    again, passed = int((steps == 0).sum()), int((steps - 1)[steps > 1].sum())
    if again or passed:
        told = [f"{counted(again, 'time')} a frame serves again"] if again else []
        told += [f"{passed} between serve none"] if passed else []
        yield (
            f"{other.name}: {_rate(other)} beside {_rate(first)} of {first.name}: {', '.join(told)}"
        )
    lasts = [stream.times[-1] - stream.times[0] for stream in (first, other)]
    longest = max(typical_interval(stream.times) or 0 for stream in (first, other))
    if abs(lasts[0] - lasts[1]) > longest * (1 + 1e-6):
        yield f"{first.name} lasts {lasts[0]:.2f} s, {other.name} {lasts[1]:.2f} s"


def _rate(stream):
    return "one frame" if stream.rate is None else f"{stream.rate:.2f} frames/s"
