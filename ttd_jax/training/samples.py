"""A training sample: a crop of one scene as the objectives take it."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from ttd_jax.core.color import LUMA
from ttd_jax.core.quantization import as_float
from ttd_jax.core.tasks import TASKS
from ttd_jax.errors import UserError, check_choice
from ttd_jax.pictures import synthetic
from ttd_jax.pictures.crops import central_crop, is_low_contrast, random_crop, random_flip
from ttd_jax.pictures.decode import decode_example
from ttd_jax.pictures.examples import Example
from ttd_jax.pictures.images import Reading

COLORS = ("gray", "rgb")
_CACHED = 128  # decoded scenes kept in memory, at most
_CROPS, _SCENES = 8, 32  # crops tried on a scene, and scenes tried, in search of some contrast


# Pairs made from one picture: name -> function (crop f32[h, w, C], generator) -> sources.
SYNTHETIC = {
    "multi_focus": lambda crop, generator: synthetic.multi_focus_pair(
        crop, sigma=generator.uniform(1.0, 5.0), seed=int(generator.integers(2**32))
    ),
    "multi_exposure": lambda crop, generator: synthetic.multi_exposure_pair(
        crop, stops=generator.uniform(1.0, 2.5)
    ),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """How crops become samples.

    Attributes:
      channels: of the network, 1 or 3.
      color: 'gray': luma, repeated to the network's channels; 'rgb': color, grays repeated.
      crop: side of the square, in pixels.
      flips: whether to mirror at random.
      least_contrast: of every source, see `is_low_contrast`; 0 takes every crop.
      synthetic: keys of `SYNTHETIC` for examples of one picture, the truth: every sample is of one
        of them, drawn at random; none for examples of several sources.
      visible_rgb: whether samples hold the first source in color, for PIAFusion's classifier.
    """

    channels: int
    color: str = "gray"
    crop: int = 128
    flips: bool = True
    least_contrast: float = 0.1
    synthetic: tuple[str, ...] = ()
    visible_rgb: bool = False

    def __post_init__(self) -> None:
        check_choice("color", self.color, COLORS)
        if self.color == "rgb" and self.channels != 3:
            raise ValueError("color 'rgb' needs a network of three channels")
        if not set(self.synthetic) <= set(SYNTHETIC):
            raise ValueError(f"synthetic must be some of {(*SYNTHETIC,)}, got {self.synthetic!r}")
        if not 0 <= self.least_contrast < 1:
            raise ValueError(f"least_contrast must lie in 0..1, got {self.least_contrast}")


@dataclasses.dataclass(frozen=True, eq=False)
class Sampler:
    """Draws samples from examples; `sampler(number, generator)` for one of scene `number`.

    A sample is a dict of `sources` f32[M, h, w, C] in [0, 1]; `truth` f32[h, w, C] where the
    sources were made from one picture; `visible_rgb` f32[h, w, 3] where asked for. What is drawn
    depends on nothing but the arguments.

    Attributes:
      examples: scenes.
      numbers: which of them to draw from.
      options: how their crops become samples.
      reading: how their files become pictures.
    """

    examples: Sequence[Example]
    numbers: Sequence[int]
    options: SampleOptions
    reading: Reading = Reading()  # noqa: RUF009 - frozen

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def roles(self) -> tuple[str, ...]:
        """Of the sources of a sample, in their order; neutral ones for several synthetic kinds."""
        kinds = self.options.synthetic
        if not kinds:
            return self.examples.roles
        return TASKS[kinds[0].replace("_", "-")] if len(kinds) == 1 else ("source1", "source2")

    def __call__(self, number: int, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """A random crop of scene `number`.

        Where no crop with enough contrast is found, another scene takes its place, so that every
        call gives a sample.

        Raises:
          UserError: an unreadable picture, or scene after scene without contrast.
        """
        options = self.options
        for _ in range(_SCENES):
            pictures = self._pictures(number)
            for _ in range(_CROPS):
                crop = [as_float(p) for p in random_crop(pictures, options.crop, generator)]
                if any(is_low_contrast(luma(p), options.least_contrast) for p in crop):
                    continue
                return self._sample(
                    random_flip(crop, generator) if options.flips else crop, generator
                )
            number = int(generator.integers(len(self)))
        raise UserError(
            f"config.least_contrast={options.least_contrast}: no crop of {options.crop}x"
            f"{options.crop} reaches it on {_SCENES} scenes: lower it"
        )

    def middle(self, number: int, size: int) -> dict[str, np.ndarray]:
        """The middle of scene `number`, the same in every call; see `central_crop`."""
        crop = [as_float(p) for p in central_crop(self._pictures(number), size)]
        return self._sample(crop, np.random.default_rng(number))

    @functools.cached_property
    def _pictures(self):
        return functools.lru_cache(_CACHED)(self._decode)

    def _decode(self, number):
        example = self.examples[self.numbers[number]]
        return [picture.pixels for picture in decode_example(example, self.reading)]

    def _sample(self, pictures, generator):
        options, sample = self.options, {}
        prepared = [self._channels(picture) for picture in pictures]
        if options.synthetic:
            (sample["truth"],) = prepared
            kind = options.synthetic[generator.integers(len(options.synthetic))]
            prepared = SYNTHETIC[kind](prepared[0], generator)
        sample["sources"] = np.stack(prepared).astype(np.float32)
        if options.visible_rgb:
            sample["visible_rgb"] = as_channels(pictures[0], 3)
        return sample

    def _channels(self, picture):
        gray = self.options.color == "gray"
        return as_channels(luma(picture) if gray else picture, self.options.channels)


def luma(picture: np.ndarray) -> np.ndarray:
    """f32[h, w, 1 or 3] to luma f32[h, w, 1], as `ttd_jax.core.color.rgb_to_luma`."""
    if picture.shape[-1] == 1:
        return picture
    return np.sum(picture * np.array(LUMA, np.float32), axis=-1, keepdims=True)


def as_channels(picture: np.ndarray, channels: int) -> np.ndarray:
    """f32[h, w, 1 or `channels`] to f32[h, w, channels]; a gray one is repeated."""
    return np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], channels)))
