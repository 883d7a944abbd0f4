"""How fast sequences are fused, beside the same frames as still pictures."""

import dataclasses
import functools
import itertools
import pathlib
import tempfile
from collections.abc import Callable, Mapping

import numpy as np

from ttd_jax.benchmarks.timing import interleave
from ttd_jax.fusing import run, sequence, sequence_run
from ttd_jax.fusing.compute import BatchFuser
from ttd_jax.fusing.options import FuseOptions
from ttd_jax.networks import Model
from ttd_jax.networks.folding import fold
from ttd_jax.parts import default_memory
from ttd_jax.pictures.batches import Batch, Frame
from ttd_jax.pictures.clips import generate_clip
from ttd_jax.pictures.images import Picture, encode_picture
from ttd_jax.pictures.motion import measure_motion
from ttd_jax.pictures.public import public_picture
from ttd_jax.pictures.scenes import find_scenes
from ttd_jax.pictures.video.reading import read_frames
from ttd_jax.pictures.video.streams import open_stream
from ttd_jax.pictures.video.writing import write_video

_RATE = 25.0
_ROLES = ("visible", "thermal")


def benchmark_video(
    model: Model, *, size: tuple[int, int], count: int, repeats: int
) -> dict[str, dict]:
    """Times a clip: whole runs, from files to files, and what they consist of.

    Programs are compiled once, in a run that is not measured, and found in JAX's compilation cache
    by the others, if there is one.

    Args:
      model: that fuses.
      size: (H, W) of the frames.
      count: of them.
      repeats: rounds.

    Returns:
      `frames_per_second`: name -> by the median; and what `interleave` gives. Whole runs: 'steady',
      'frame by frame' and 'stills', to which ratios are, read pictures and write pictures; 'video'
      is steady, from videos to a video. Parts of those: 'decode' both videos, 'motion', 'fuse',
      the network alone, and 'encode'.

    Raises:
      UserError: PyAV is not installed.
    """
    model = fold(model)
    with tempfile.TemporaryDirectory(prefix="ttd_jax-") as folder:
        clip = _write_clip(pathlib.Path(folder), size, count)
        found = interleave(_functions(model, clip, pathlib.Path(folder)), repeats=repeats)
    rates = {name: count / seconds["median"] for name, seconds in found["seconds"].items()}
    return {"frames_per_second": rates, **found}


@dataclasses.dataclass(frozen=True)
class _Clip:
    """A generated clip: its frames u8[H, W, 3 and 1] in memory, in folders and in videos."""

    frames: list[tuple[np.ndarray, ...]]
    folders: tuple[pathlib.Path, ...]
    videos: tuple[pathlib.Path, ...]


def _write_clip(folder, size, count):
    clip = generate_clip(public_picture("coffee"), count=count, size=size)
    frames = [(frame.visible, frame.thermal) for frame in clip]
    folders = tuple(folder / role for role in _ROLES)
    videos = tuple(folder / f"{role}.mp4" for role in _ROLES)
    for own, video, pictures in zip(folders, videos, zip(*frames, strict=True), strict=True):
        own.mkdir()
        for number, picture in enumerate(pictures):
            (own / f"{number:06}.png").write_bytes(encode_picture(picture, ".png"))
        write_video(video, pictures, rate=_RATE)
    return _Clip(frames, folders, videos)


def _functions(model: Model, clip: _Clip, folder: pathlib.Path) -> Mapping[str, Callable]:
    """What is timed, by its name."""
    fusing = FuseOptions(
        model=model.spec.name,
        weights_sha256="",
        dominability=dataclasses.asdict(model.settings),
    )
    size = clip.frames[0][0].shape[:2]
    batch = Batch((0,), 1, Frame(size, shared=False), (True, False), (size,))
    fuser = BatchFuser(
        model, model.settings, color="auto", save=("fused",), memory=default_memory()
    )

    def stills(out):
        scenes = find_scenes([str(path) for path in clip.folders])
        run.run_job(run.plan_job(scenes, model, fusing, out), model)

    def frames(out, paths=clip.folders, **options):
        chosen = sequence.SequenceOptions(fusing=fusing, **options)
        job = sequence.plan_sequence([str(path) for path in paths], model, chosen, out)
        sequence_run.run_sequence(job, model)

    def decode(_):
        for path in clip.videos:
            stream = open_stream(path)
            for _ in read_frames(stream, range(stream.count)):
                pass

    def motion(_):
        grays = [picture[..., 1] for picture, _ in clip.frames]
        for pair in itertools.pairwise(grays):
            measure_motion(*pair)

    def fuse(_):
        for number, own in enumerate(clip.frames):
            list(fuser(batch, {0: (f"frame {number}", [Picture(one) for one in own])}))

    def encode(out):
        visible = [picture for picture, _ in clip.frames]
        write_video(out.with_suffix(".mp4"), visible, rate=_RATE)

    named = {
        "video": lambda out: frames(out.with_suffix(".mp4"), clip.videos),
        "steady": frames,
        "frame by frame": functools.partial(frames, smooth=0.0),
        "decode": decode,
        "motion": motion,
        "fuse": fuse,
        "encode": encode,
        "stills": stills,
    }

    def fresh(function):
        with tempfile.TemporaryDirectory(dir=folder) as own:
            function(pathlib.Path(own) / "out")

    return {name: functools.partial(fresh, function) for name, function in named.items()}
