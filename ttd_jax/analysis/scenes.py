"""The scenes of a study: gray sources as the published protocol decodes them, cropped."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from ttd_jax.evaluation.units import load_inputs
from ttd_jax.pictures.crops import central_crop
from ttd_jax.pictures.examples import Example, find_benchmark
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
      pictures: f32[M, H, W, 1], gray in [0, 1].
      grays: f32[M, H, W], the same in 0..255, for the metrics.
      sha256: of the sources' files.
    """

    name: str
    roles: tuple[str, ...]
    pictures: np.ndarray
    grays: np.ndarray
    sha256: tuple[str, ...]

    def take(self, count: int) -> "SceneInputs":
        """The scene with `count` of its sources, evenly spread, the first and last among them."""
        kept = np.linspace(0, len(self.roles) - 1, count).round().astype(int)
        return dataclasses.replace(
            self,
            roles=tuple(self.roles[k] for k in kept),
            pictures=self.pictures[kept],
            grays=self.grays[kept],
            sha256=tuple(self.sha256[k] for k in kept),
        )


def load_scene(example: Example, *, crop: int) -> SceneInputs:
    """Decodes an example to gray.

    Args:
      example: the scene.
      crop: keep the middle of sides longer than this; 0 keeps everything.
    """
    inputs = load_inputs(example, gray=True)
    return SceneInputs(
        name=example.name,
        roles=example.roles,
        pictures=np.stack(central_crop(inputs.pictures, crop)),
        grays=np.stack(central_crop(inputs.grays, crop)),
        sha256=inputs.sha256,
    )


@dataclasses.dataclass(frozen=True)
class GeneratedExamples(Sequence):
    """Stacks made of openly licensed pictures when they are asked for."""

    kind: str
    names: tuple[str, ...] = ("astronaut", "coffee", "chelsea", "china")
    roles: tuple[str, ...] = tuple(f"source{index + 1}" for index in range(_STACK))

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        picture = public_picture(self.names[index], longest=_LONGEST)
        stack = GENERATED[self.kind](picture, count=_STACK)
        files = tuple(encode_picture(quantize(image, np.uint8), ".png") for image in stack)
        return Example(self.names[index], self.roles, files)


def find_examples(name: str, config) -> Sequence:
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
