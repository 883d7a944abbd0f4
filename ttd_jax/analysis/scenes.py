"""The scenes of a study: sources as the published protocol gives them to networks, cropped."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from ml_collections import ConfigDict
from ttd_jax_datasets.reading import find_benchmark

from ttd_jax import metrics
from ttd_jax.pictures.batches import Frame, fill_up
from ttd_jax.pictures.checking import Scenes
from ttd_jax.pictures.crops import central_crop
from ttd_jax.pictures.examples import Example, Examples
from ttd_jax.pictures.images import encode_picture, quantize
from ttd_jax.pictures.public import public_picture
from ttd_jax.pictures.synthetic import exposure_stack, focus_stack

# Stacks of five sources, made from openly licensed pictures; any number of them can be taken.
GENERATED = {"generated/exposures": exposure_stack, "generated/focus": focus_stack}
_STACK = 5
_LONGEST = 320


@dataclasses.dataclass(frozen=True)
class SceneInputs:
    """One scene, ready for a network.

    Attributes:
      name: of the scene.
      roles: of its sources.
      pictures: f32[M, H, W, C], gray in [0, 1], in as many channels as the network takes.
      grays: f32[M, H, W], what the metrics are given, in 0..255.
      size: (H, W) of the pictures, of which arrays of a shared frame hold more.
      extent: i32[2], the same; None where arrays hold nothing else.
      sha256: of the sources' files.
    """

    name: str
    roles: tuple[str, ...]
    pictures: np.ndarray
    grays: np.ndarray
    size: tuple[int, int]
    extent: np.ndarray | None
    sha256: tuple[str, ...]


def spread(sources: int, count: int) -> list[int]:
    """`count` of the indices of sources, evenly spread, with the first and last; 0 for all."""
    return np.linspace(0, sources - 1, count or sources).round().astype(int).tolist()


def load_scene(
    scenes: Scenes,
    index: int,
    frame: Frame,
    *,
    protocol: str,
    crop: int,
    channels: int,
    sources: int = 0,
) -> SceneInputs:
    """A scene's inputs.

    Args:
      scenes: checked, gray.
      index: of the scene.
      frame: the arrays that hold the pictures, once they are cropped.
      protocol: of the metrics.
      crop: keep the middle of sides longer than this; 0 keeps everything.
      channels: C.
      sources: how many of them; see `spread`.
    """
    example, pictures = scenes.load(index)
    taken = spread(len(pictures), sources)
    pictures = [pictures[m] for m in taken]
    given = [picture.as_float() for picture in scenes.given(pictures)]
    cropped = np.stack(central_crop(given, crop))
    size, filled = cropped.shape[1:3], fill_up(cropped, frame.size, axis=1)
    stored = central_crop([picture.as_bytes() for picture in pictures], crop)
    grays = metrics.source_planes(stored, protocol=protocol, gray=True)
    return SceneInputs(
        name=example.name,
        roles=tuple(example.roles[m] for m in taken),
        pictures=np.broadcast_to(filled, (*filled.shape[:3], channels)),
        grays=fill_up(grays, frame.size, axis=1),
        size=size,
        extent=frame.extent(size),
        sha256=tuple(scenes[index].sha256[m] for m in taken),
    )


@dataclasses.dataclass(frozen=True)
class GeneratedExamples(Examples):
    """Stacks made of openly licensed pictures when they are asked for."""

    kind: str
    names: tuple[str, ...] = ("astronaut", "coffee", "chelsea", "china")
    roles: tuple[str, ...] = tuple(f"source{index + 1}" for index in range(_STACK))

    def __getitem__(self, index: int) -> Example:
        picture = public_picture(self.names[index], longest=_LONGEST)
        stack = GENERATED[self.kind](picture, count=_STACK)
        files = tuple(encode_picture(quantize(image, np.uint8), ".png") for image in stack)
        return Example(self.names[index], self.roles, files)


def find_examples(name: str, config: ConfigDict) -> Sequence[Example]:
    """The examples of a data set: generated, prepared, or in its authors' folders.

    Args:
      name: a key of `GENERATED`, or a benchmark's NAME/CONFIG.
      config: see `find_benchmark`.

    Raises:
      UserError: unknown, missing, not prepared.
    """
    if name in GENERATED:
        return GeneratedExamples(name)
    return find_benchmark(name, config)
