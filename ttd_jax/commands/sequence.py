"""What `fuse` does with sequences: videos, and folders whose pictures follow each other."""

import pathlib
import sys
from collections.abc import Sequence

from absl.flags import FlagValues

from ttd_jax.commands import common
from ttd_jax.errors import UserError, counted
from ttd_jax.files import dumps
from ttd_jax.fusing.frame_video import FrameVideo
from ttd_jax.fusing.options import FuseOptions
from ttd_jax.fusing.sequence import SequenceJob, SequenceOptions, plan_sequence
from ttd_jax.fusing.sequence_run import check_memory, run_sequence
from ttd_jax.networks import Model
from ttd_jax.pictures.video.encoding import CONTAINERS
from ttd_jax.pictures.video.streams import VIDEO_SUFFIXES, is_video
from ttd_jax.places import place, resolved
from ttd_jax.report.progress import remark

# What still pictures have, and the word that says so.
_OF_STILLS = {
    "pages": "the pages of a file are its frames",
    "bands": "frames are gray or RGB",
    "classifier": "it is for still pictures",
    "metadata": "frames carry none",
}
_OF_SEQUENCES = ("smooth", "offset", "rate", "until")


def define_flags(flag: common.Flags) -> None:
    """The flags of sequences."""
    text = (
        "the sources are streams of frames: folders, whose pictures follow each other, or TIFF "
        "files with pages; videos are so anyway"
    )
    flag.boolean("sequence", text)
    text = (
        "how much of the losses of the frame before stays in a sequence, along the motion of the "
        "first stream, from 0 to below 1: less flicker; 0 fuses frame by frame"
    )
    flag.number("smooth", text, 0.8)
    flag.times()


def is_sequence(values: FlagValues, arguments: Sequence[str]) -> bool:
    """Whether the sources are streams of frames.

    Raises:
      UserError: they are not, and a flag of sequences is given.
    """
    asked = values.sequence or FrameVideo.takes(place(values.out))
    if asked or any(path and is_video(path) for path in arguments):
        return True
    for name in _OF_SEQUENCES:
        if values[name].present:
            raise UserError(f"--{name}: is of sequences: pass videos, or folders with --sequence")
    return False


def check_flags(values: FlagValues, save: Sequence[str]) -> None:
    """Refuses what only still pictures have, and videos of other kinds.

    Raises:
      UserError: it names the flag.
    """
    for name, why in _OF_STILLS.items():
        if values[name].present:
            raise UserError(f"--{name}: {why}: leave it out for a sequence")
    if "alignment" in save:
        raise UserError("--save=alignment: it is for still pictures: fuse the first frames alone")
    if not 0 <= values.smooth < 1:
        raise UserError(f"--smooth={values.smooth:g}: must be at least 0 and below 1")
    out = place(values.out)
    if out.suffix.lower() in (*VIDEO_SUFFIXES, ".gif") and not (
        FrameVideo.takes(out) or out.is_dir()
    ):
        known = ", ".join(CONTAINERS)
        raise UserError(f"--out={out}: a video is written as {known}: choose one, or a folder")


def run(
    values: FlagValues,
    arguments: Sequence[str],
    out: pathlib.Path,
    model: Model,
    fusing: FuseOptions,
    max_memory: int | None,
) -> None:
    """Plans, fuses and says what was made.

    Args:
      values: the flags of `fuse`.
      arguments: the streams.
      out: a folder, or a video.
      model: the network.
      fusing: how each frame is fused.
      max_memory: see `plan_sequence`.

    Raises:
      UserError: see `plan_sequence` and `run_sequence`.
    """
    if any(resolved(place(path)) == resolved(out) for path in arguments):
        raise UserError(f"--out={out}: is a source: choose another --out")
    job = plan_sequence(
        arguments,
        model,
        _options(values, fusing),
        out,
        resume=values.resume,
        max_memory=max_memory,
    )
    for line in job.remarks:
        remark(line)
    if values.dry_run:
        if max_memory is not None:
            check_memory(job, model)
        _tell_plan(values, job)
        return
    result = _run(job, model)
    for line in job.sink.remarks:
        remark(line)
    if values.json:
        print(dumps({"out": str(out), **result}), end="")
        return
    flicker = result["flicker"]
    told = f", {result['reused']} reused" if result["reused"] else ""
    told += f", {result['frames_per_second']:.2f} frames/s" if result["fused"] else ""
    if flicker is not None:
        told += f"; flicker: RD {flicker['dominability']:.5f}, luma {flicker['luma']:.5f}"
    if result["cuts"]:
        told += f"; {counted(result['cuts'], 'cut')}"
    common.show(f"{out}: {counted(result['fused'], 'frame')} fused{told}", sys.stderr)


def _options(values, fusing):
    smooth = values.smooth
    for why, refused in (
        ("--strategy=static: it has no weights that could flicker", fusing.dominability is None),
        ("--color=authors: their script knows no other frames", fusing.color == "authors"),
    ):
        if refused and values["smooth"].present and smooth:
            raise UserError(f"{why}: pass --smooth=0")
        smooth = 0.0 if refused else smooth
    return SequenceOptions(
        fusing=fusing,
        smooth=smooth,
        offsets=common.offsets(values),
        rate=values.rate,
        until=values.until,
    )


def _run(job: SequenceJob, model: Model) -> dict:
    if not FrameVideo.takes(job.out):
        with common.interruptible("finished frames are"):
            return run_sequence(job, model)
    try:
        return run_sequence(job, model)
    except (KeyboardInterrupt, UserError) as error:
        what = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        partial = job.sink.writer and job.sink.writer.partial
        if partial is not None and partial.exists() and partial.name not in what:
            what += f": {partial} holds the frames until then"
        raise UserError(what) from None


def _tell_plan(values, job):
    height, width = job.first[0].size
    color = job.options.fusing.resolve_color(tuple(p.colored for p in job.first))
    streams = [
        {"name": role, "path": stream.name, "kind": stream.kind, "frames": stream.count}
        for role, stream in zip(job.roles, job.streams, strict=True)
    ]
    plan = {"size": [height, width], "color": color, "frames": len(job), "streams": streams}
    lines = [f"{one['name']}: {one['path']}, {counted(one['frames'], 'frame')}" for one in streams]
    lines.append(f"{counted(len(job), 'frame')} of {width}x{height}, color={color}")
    common.tell(values, {"out": str(job.out), **plan}, *lines)
