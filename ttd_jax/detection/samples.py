"""A detector's training sample: the frame of one labeled scene, its objects padded."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from ttd_jax.detection.augmentation import Augmentation, augment, make_frame
from ttd_jax.detection.inputs import truth_of
from ttd_jax.pictures.decode import decode_example
from ttd_jax.pictures.examples import Example

_CACHED = 256  # frames kept in memory, at most


@dataclasses.dataclass(frozen=True, eq=False)
class LabeledSampler:
    """Draws samples from labeled scenes; `sampler(number, generator)` for one of scene `number`.

    A sample is a dict of `sources` f32[M, H, W, 3], RGB in [0, 1], of the chosen roles; `covered`
    bool[H, W], where the frame shows the scene; and `boxes` f32[G, 4] in pixels, `classes` i32[G]
    and `mask` bool[G], as in `Objects`. What is drawn depends on nothing but the arguments.

    Attributes:
      examples: labeled ones.
      numbers: which of them to draw from.
      roles: of the sources that a sample shows.
      size: (H, W) of its frame, multiples of 32.
      objects: the most in one scene; a mosaic has room for four times as many.
      augmentation: how frames are varied.
    """

    examples: Sequence[Example]
    numbers: Sequence[int]
    _: dataclasses.KW_ONLY
    roles: Sequence[str]
    size: tuple[int, int]
    objects: int
    augmentation: Augmentation

    def __len__(self) -> int:
        return len(self.numbers)

    def __call__(self, number: int, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """A sample of scene `number`.

        Raises:
          UserError: an unreadable picture or label file.
        """
        numbers = [number]
        if self.augmentation.mosaic and generator.uniform() < self.augmentation.mosaic:
            numbers += generator.integers(len(self), size=3).tolist()
        frame = augment([self._frames(n) for n in numbers], self.augmentation, generator)
        count = len(frame.boxes)
        room = max(1, self.objects) * (4 if self.augmentation.mosaic else 1)
        boxes, classes = np.zeros((room, 4), np.float32), np.zeros(room, np.int32)
        boxes[:count], classes[:count] = frame.boxes, frame.classes
        return {
            "sources": frame.pictures.astype(np.float32) / np.float32(255),
            "covered": frame.covered,
            "boxes": boxes,
            "classes": classes,
            "mask": np.arange(room) < count,
        }

    @functools.cached_property
    def _frames(self):
        return functools.lru_cache(_CACHED)(self._frame)

    def _frame(self, number):
        example = self.examples[self.numbers[number]]
        sources = tuple(example.sources[example.roles.index(role)] for role in self.roles)
        shown = dataclasses.replace(example, roles=tuple(self.roles), sources=sources)
        pictures = decode_example(shown)
        truth = truth_of(example, pictures[0].size)
        return make_frame([p.as_bytes() for p in pictures], truth.boxes, truth.classes, self.size)
