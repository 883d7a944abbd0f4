"""The frames of fused sequences and of their sources, as pictures."""

from collections.abc import Iterator, Sequence

from ttd_jax.evaluation.judged import gray_of
from ttd_jax.evaluation.matched import Matched
from ttd_jax.pictures.arrays import as_picture
from ttd_jax.pictures.images import Picture
from ttd_jax.pictures.motion import measure_motion
from ttd_jax.pictures.ranges import Range, of_result_and_sources
from ttd_jax.pictures.steady_range import SteadyRange
from ttd_jax.pictures.video.pairing import RATE
from ttd_jax.pictures.video.reading import read_frames
from ttd_jax.report.progress import remark


def read_pictures(
    matched: Matched, ranges: Sequence[Range], wanted: Sequence[int]
) -> Iterator[tuple[int, list[Picture]]]:
    """The pictures of some frames, one frame after the other.

    Ranges that depend on the data follow them slowly from the first frame on, and begin anew at
    cuts, as those of `ttd-jax fuse` do.

    Args:
      matched: the sequences.
      ranges: what becomes black and white in the sources; results have the range of their type.
      wanted: numbers of frames, ascending.

    Yields:
      The number of a frame, and its pictures: of every result, then of every source.

    Raises:
      UserError: a frame that cannot be read, or whose range cannot be known.
    """
    streams = (*matched.fused, *matched.sources)
    result, *own = of_result_and_sources(tuple(ranges), len(matched.sources))
    chosen = [*[result] * len(matched.fused), *own]
    rate = matched.sources[0].rate or RATE
    steady = [SteadyRange(one, rate=rate) for one in chosen]
    slowly = any(one.kind in ("data", "percentile") for one in chosen)
    every = range(wanted[-1] + 1) if slowly and wanted else wanted
    stored = [
        read_frames(stream, matched.indices[every, column]) for column, stream in enumerate(streams)
    ]

    def follow(number, arrays):
        given = zip(arrays, streams, matched.indices[number], steady, strict=True)
        return [
            as_picture(one, stream.frame_name(index), bounds.follow(one))
            for one, stream, index, bounds in given
        ]

    before, kept = None, set(wanted)
    for number, arrays in zip(every, zip(*stored, strict=True), strict=True):
        pictures = follow(number, arrays)
        if slowly:
            gray = gray_of(pictures[len(matched.fused)])
            if before is not None and measure_motion(before, gray).cut:
                for bounds in steady:
                    bounds.reset()
                pictures = follow(number, arrays)
                gray = gray_of(pictures[len(matched.fused)])
            before = gray
        if number == every[0]:
            for line in dict.fromkeys(picture.remark for picture in pictures):
                if line:
                    remark(line)
        if number in kept:
            yield number, pictures
