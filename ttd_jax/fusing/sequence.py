"""What a run over a sequence is to do: its options, and the job that they make of streams."""

import dataclasses
import functools
import hashlib
import pathlib
from collections.abc import Mapping, Sequence

from ttd_jax.align import Registration
from ttd_jax.errors import UserError
from ttd_jax.fusing.frame_folder import FrameFolder
from ttd_jax.fusing.frame_video import FrameVideo
from ttd_jax.fusing.frames import FrameReader
from ttd_jax.fusing.options import FuseOptions, check_network
from ttd_jax.fusing.outputs import output_type
from ttd_jax.networks import Model
from ttd_jax.parts import default_memory
from ttd_jax.pictures.aligning import line_up
from ttd_jax.pictures.images import Picture, read_bytes
from ttd_jax.pictures.records import versions_of
from ttd_jax.pictures.scenes import source_labels
from ttd_jax.pictures.sizes import check_least_size, check_same_size
from ttd_jax.pictures.video.pairing import Pairing, pair
from ttd_jax.pictures.video.streams import Stream, open_stream
from ttd_jax.places import resolved


@dataclasses.dataclass(frozen=True, kw_only=True)
class SequenceOptions:
    """Options of a run over a sequence; every one of them changes bytes and is recorded.

    Attributes:
      fusing: how each frame is fused.
      smooth: how much of the losses before a frame stays, in [0, 1): see
        `ttd_jax.core.steadiness.steady_losses`; 0 fuses frame by frame, as still pictures.
      offsets: seconds that are added to the times of the streams beside the first.
      rate: frames a second of streams that do not tell; None for the usual one.
      until: seconds of the first stream's clock at which to end; None for its end.
    """

    fusing: FuseOptions
    smooth: float = 0.8
    offsets: tuple[float, ...] = ()
    rate: float | None = None
    until: float | None = None

    @property
    def steady(self) -> bool:
        """Whether anything is carried from frame to frame."""
        return self.smooth > 0

    def as_record(self) -> dict:
        """JSON-able."""
        own = {"smooth": self.smooth, "offset": list(self.offsets)}
        return {**self.fusing.as_record(), **own, "rate": self.rate, "until": self.until}


@dataclasses.dataclass(frozen=True, eq=False)
class SequenceJob:
    """A checked run, ready to start.

    Attributes:
      out: a folder, or a video.
      options: the user's choices.
      streams: what is fused.
      roles: a name for each of them.
      pairing: which of their frames belong together.
      first: the pictures of the first frame, lined up.
      registration: how the streams are brought to line up; None where they are as they are.
      remarks: what somebody should know, each in a line.
      settings: what all of `out` is made with.
      resume: whether to go on with what is there.
      memory: bytes that fusing may take.
    """

    out: pathlib.Path
    options: SequenceOptions
    streams: tuple[Stream, ...]
    roles: tuple[str, ...]
    pairing: Pairing
    first: Sequence[Picture]
    registration: Registration | None
    remarks: tuple[str, ...]
    settings: Mapping
    resume: bool
    memory: int

    def __len__(self) -> int:
        return len(self.pairing.times)

    @functools.cached_property
    def sink(self) -> FrameFolder | FrameVideo:
        """Where frames go."""
        return (FrameVideo if FrameVideo.takes(self.out) else FrameFolder)(self)

    @property
    def reader(self) -> FrameReader:
        """Of its frames."""
        return FrameReader(
            self.streams,
            self.pairing,
            self.options.fusing.reading,
            registration=self.registration,
            steady=self.options.steady,
        )


def plan_sequence(
    paths: Sequence[str],
    model: Model,
    options: SequenceOptions,
    out: pathlib.Path,
    *,
    resume: bool = False,
    max_memory: int | None = None,
) -> SequenceJob:
    """Opens the streams, pairs their frames and checks the first; writes nothing.

    Args:
      paths: two or more videos, folders of pictures or files with pages, in the order of their
        roles.
      model: the network.
      options: the user's choices.
      out: a folder, or a video by its suffix.
      resume: go on with the frames that are in the folder.
      max_memory: bytes that the run may take; half of what is free by default.

    Raises:
      UserError: see `open_stream`, `pair`; streams of different sizes, or too small ones; a result
        would overwrite something, or there are results of other settings.
    """
    if len(paths) < 2:
        given = f"got only {paths[0]}" if paths else "got none"
        raise UserError(f"fusion needs two or more streams, {given}: name the streams in order")
    streams = tuple(open_stream(path, rate=options.rate) for path in paths)
    pairing = pair(streams, options.offsets).until(options.until)
    roles = source_labels(paths)
    titles, align = [stream.name for stream in streams], options.fusing.reading.align
    check_network(model.spec, len(streams), options.fusing.color)
    if not align.moves:
        check_same_size(titles, [stream.size for stream in streams])
    reader = FrameReader(streams, pairing, options.fusing.reading, steady=False)
    first = reader.first()
    remarks = [told for stream in streams for told in stream.remarks]
    remarks += [*pairing.remarks, *(picture.remark for picture in first if picture.remark)]
    lined_up = line_up(streams[0].path.stem, titles, first, align)
    remarks += lined_up.remarks.values()
    first = lined_up.pictures
    check_least_size(titles[0], first[0].size, model.spec.min_size, model.spec.name)
    output_type(first, options.fusing)
    hashes = [_sha256(stream) for stream in streams]
    settings = {
        **options.as_record(),
        "versions": versions_of(model, strategies=[model.strategy(options.fusing.strategy)]),
        "streams": [
            {"name": role, "path": resolved(stream.path), "sha256": sha256}
            for role, stream, sha256 in zip(roles, streams, hashes, strict=True)
        ],
    }
    job = SequenceJob(
        out=out,
        options=options,
        streams=streams,
        roles=roles,
        pairing=pairing,
        first=first,
        registration=lined_up.registration,
        remarks=tuple(remarks),
        settings=settings,
        resume=resume,
        memory=default_memory() if max_memory is None else max_memory,
    )
    job.sink.check()
    return job


def _sha256(stream):
    """Of a file; of a folder over the names and hashes of its pictures."""
    if stream.files:
        each = [(file.name, hashlib.sha256(read_bytes(file)).hexdigest()) for file in stream.files]
        return hashlib.sha256(repr(each).encode()).hexdigest()
    with stream.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
