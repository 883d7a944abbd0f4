"""Fused sequences and their sources, frame by frame."""

import dataclasses
import hashlib
import pathlib
import re
from collections.abc import Mapping, Sequence

import numpy as np

from ttd_jax.errors import UserError, counted
from ttd_jax.pictures.sizes import check_same_size
from ttd_jax.pictures.video.pairing import Pairing, pair
from ttd_jax.pictures.video.streams import Stream, open_stream

_MAP = re.compile(r"_(\d+)(?=_)")  # NAME_1_visible.png


@dataclasses.dataclass(frozen=True)
class Matched:
    """Sequences of one scene.

    Attributes:
      labels: of the methods.
      fused: a stream for each of them.
      sources: a stream for each.
      indices: i64[N, K + M], which frame of each stream is in each of N frames.
      times: f64[N], seconds by the clock of the first source; None where no stream tells.
      remarks: what somebody should know of how they go together.
    """

    labels: tuple[str, ...]
    fused: tuple[Stream, ...]
    sources: tuple[Stream, ...]
    indices: np.ndarray
    times: np.ndarray | None
    remarks: tuple[str, ...]


def match_sequences(
    fused: Mapping[str, str],
    sources: Sequence[str],
    *,
    offsets: Sequence[float] = (),
    rate: float | None = None,
    until: float | None = None,
) -> Matched:
    """Finds which frames belong together.

    As many fused frames as the sources have pairs belong to these in their order, as `fuse` makes
    them; of another number each belongs to those nearest in time.

    Args:
      fused: method -> its video or folder of frames.
      sources: videos or folders of frames.
      offsets: of the sources but the first, see `pair`.
      rate: frames a second of sources that do not tell.
      until: seconds by the first source's clock at which to end.

    Raises:
      UserError: a stream that cannot be read, frames of other sizes, another number of frames than
        the sources have, or methods that are not of the same frames.
    """
    streams = tuple(open_stream(path, rate=rate) for path in sources)
    results = {label: open_stream(path) for label, path in fused.items()}
    every = (*results.values(), *streams)
    check_same_size([one.name for one in every], [one.size for one in every])
    found = {label: _pair(stream, streams, offsets, until) for label, stream in results.items()}
    (first, pairing), *others = found.items()
    for label, other in others:
        if not np.array_equal(pairing.indices[:, 1:], other.indices[:, 1:]):
            raise UserError(
                f"{label} has {counted(len(other.indices), 'frame')} that others than the "
                f"{len(pairing.indices)} of {first} belong to: compare results for the same frames"
            )
    columns = [one.indices[:, :1] for one in found.values()]
    remarks = (line for stream in every for line in stream.remarks)
    paired = (line for one in found.values() for line in one.remarks)
    return Matched(
        tuple(results),
        tuple(results.values()),
        streams,
        np.concatenate([*columns, pairing.indices[:, 1:]], axis=1),
        pairing.times if any(one.times is not None for one in every) else None,
        tuple(dict.fromkeys((*remarks, *paired))),
    )


def _pair(fused, sources, offsets, until):
    """Which frames of the sources belong to those of a result."""
    together = pair(sources, offsets).until(until)
    if fused.count == len(together.indices):
        numbers = np.arange(fused.count)[:, None]
        return Pairing(np.concatenate([numbers, together.indices], axis=1), together.times, ())
    if any(stream.times is None for stream in (fused, *sources)):
        raise UserError(
            f"{fused.name} has {counted(fused.count, 'frame')} and its sources have "
            f"{len(together.indices)}: pass those it was fused from, with the same --offset, "
            "--rate and --until"
        )
    # A video's clock may begin with its first frame, wherever in the sources that is.
    late = max(together.times[0] - fused.times[0], 0)
    fused = dataclasses.replace(fused, times=fused.times + late)
    own = tuple(offsets) * (len(sources) - 1) if len(offsets) == 1 else tuple(offsets)
    return pair([fused, *sources], (0.0, *own) if own else ()).until(until)


def find_maps(folder: pathlib.Path, stems: Sequence[str]) -> dict[str, list[pathlib.Path]]:
    """The RD maps that `ttd-jax fuse` saved beside frames: stem -> a file for each source.

    Args:
      folder: of the frames.
      stems: of their files.
    """
    found = {stem: {} for stem in stems}
    maps = folder / "dominability"
    for path in sorted(maps.iterdir()) if maps.is_dir() else ():
        for match in _MAP.finditer(path.name):
            stem = path.name[: match.start()]
            if stem in found:
                found[stem][int(match[1])] = path
    return {stem: [own[i] for i in sorted(own)] for stem, own in found.items() if own}


def sha256_of(stream: Stream, more: Sequence[pathlib.Path] = ()) -> str:
    """Over the contents of a stream's files, and of others beside it."""
    whole = hashlib.sha256()
    for path in (*(stream.files or (stream.path,)), *more):
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
