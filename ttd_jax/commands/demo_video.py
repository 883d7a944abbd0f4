"""What `demo --video` makes: a clip, fused frame by frame and steadily, and a page of both."""

import dataclasses
import pathlib
from collections.abc import Mapping

import numpy as np

from ttd_jax.commands import common
from ttd_jax.errors import explain_os_errors
from ttd_jax.evaluation import sequence_tables
from ttd_jax.evaluation.matched import find_maps, match_sequences
from ttd_jax.evaluation.sequence import score_sequences
from ttd_jax.evaluation.video_page import render_video
from ttd_jax.files import write_whole
from ttd_jax.fusing.options import FuseOptions
from ttd_jax.fusing.sequence import SequenceOptions, plan_sequence
from ttd_jax.fusing.sequence_run import run_sequence
from ttd_jax.networks import Model
from ttd_jax.pictures.clips import generate_clip
from ttd_jax.pictures.images import quantize, read_picture
from ttd_jax.pictures.public import public_picture
from ttd_jax.pictures.video.streams import open_stream
from ttd_jax.pictures.video.writing import write_video

_PICTURE, _SIZE, _COUNT, _RATE = "coffee", (240, 320), 60, 25.0
_CUT = 40  # the frame that begins another scene
_NOISE = 0.03, 0.05
_METHODS = {"frame by frame": 0.0, "steady": SequenceOptions.smooth}
_METRICS = ("Qabf", "SSIM", "SD")
_TEXT = (
    "A camera pans over a picture while something warm crosses it; the visible and the thermal "
    "frames have noise of their own. The weights of test-time dynamic fusion follow each frame's "
    "losses, and its noise: on the left each frame is fused alone, on the right losses are carried "
    "along the motion. At the cut they begin anew. The sources' own noise is fused either way: "
    "what the weights do is seen best in RD."
)


def make_video(out: pathlib.Path, model: Model, manifest: Mapping) -> None:
    """Writes the clip, the fused videos and video.html.

    Args:
      out: the folder.
      model: of two sources.
      manifest: of its weights.

    Raises:
      UserError: PyAV is not installed, or something cannot be written.
    """
    with explain_os_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        sources = _write_clip(out)
    folders = {
        name: _fuse(out / name.replace(" ", "_"), sources, model, manifest, smooth)
        for name, smooth in _METHODS.items()
    }
    matched = match_sequences(
        {name: str(folder) for name, folder in folders.items()}, [str(path) for path in sources]
    )
    records = score_sequences(
        matched, out / "scores", protocol="paper", names=_METRICS, resume=True
    )
    page = render_video(
        _write_views(out, folders),
        sequence_tables.summarize(records, _METRICS),
        title="Fused video: frame by frame, and steady",
        text=_TEXT,
    )
    with explain_os_errors(out):
        write_whole(out / "video.html", page)
    common.show(f"{out / 'video.html'}: fused frame by frame and steadily, side by side")


def _write_clip(out):
    paths = [out / "visible.mkv", out / "thermal.mkv"]
    if not all(path.exists() for path in paths):  # no two files of one clip are the same bytes
        options = {"count": _COUNT, "size": _SIZE, "noise": _NOISE, "cuts": (_CUT,)}
        clip = generate_clip(public_picture(_PICTURE), **options)
        frames = [(frame.visible, frame.thermal) for frame in clip]
        for path, pictures in zip(paths, zip(*frames, strict=True), strict=True):
            write_video(path, pictures, rate=_RATE)
    return paths


def _fuse(folder, sources, model, manifest, smooth):
    fusing = FuseOptions(
        model=model.spec.name,
        weights_sha256=manifest["sha256"],
        dominability=dataclasses.asdict(model.settings),
        save=("fused", "dominability"),
    )
    options = SequenceOptions(fusing=fusing, smooth=smooth)
    paths = [str(path) for path in sources]
    run_sequence(plan_sequence(paths, model, options, folder, resume=True), model)
    return folder


def _write_views(out, folders):
    """View -> the file of its video, in which the methods stand side by side."""
    streams = [open_stream(folder) for folder in folders.values()]
    maps = [find_maps(stream.path, [path.stem for path in stream.files]) for stream in streams]
    fused, weights = [], []
    for files in zip(*(stream.files for stream in streams), strict=True):
        fused.append(_beside(map(read_picture, files)))
        first = (own[path.stem][0] for own, path in zip(maps, files, strict=True))
        weights.append(_beside(map(read_picture, first)))
    low, high = np.percentile(weights[0], (1, 99))  # one scale for all
    weights = [quantize((weight - low) / (high - low)) for weight in weights]
    views = {"fused": "fused.mp4", "RD of visible": "dominability.mp4"}
    for file, frames in zip(views.values(), (fused, weights), strict=True):
        write_video(out / file, frames, rate=_RATE)
    return views


def _beside(pictures):
    return np.concatenate([picture.pixels for picture in pictures], axis=1)
