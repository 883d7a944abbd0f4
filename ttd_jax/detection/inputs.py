"""What a detector is shown of a scene: its sources, their fusions, and anybody's results."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from ml_collections import ConfigDict
from ttd_jax_datasets.reading import find_benchmark

from ttd_jax.core.color import resolve_color
from ttd_jax.core.dominability import DominabilitySettings
from ttd_jax.core.fusion import INSEPARABLE
from ttd_jax.core.quantization import quantize
from ttd_jax.detection.average_precision import Truth
from ttd_jax.errors import UserError, naming, some
from ttd_jax.networks import Model, fuse_pictures, lookup, takes_extents
from ttd_jax.pictures.batches import Frame, choose_frames, fill_up
from ttd_jax.pictures.decode import decode_example
from ttd_jax.pictures.examples import Example, Examples
from ttd_jax.pictures.images import Picture
from ttd_jax.pictures.scenes import folder_images
from ttd_jax.places import place
from ttd_jax.weights import store

_LABEL_SETS = {"msrs/detection": ("visible", "infrared", "fusion")}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inputs:
    """The pictures of a scene that a detector is shown.

    Attributes:
      names: of all inputs, in the order of the tables.
      strategies: name -> RD settings, None for the static fusion.
      results: name -> scene -> file.
      model: the fusion network; None where nothing is fused.
      manifest: of its weights; None likewise.
      frames: scene -> the arrays that it is fused in; of its own size where there are none.
    """

    names: tuple[str, ...]
    strategies: Mapping[str, DominabilitySettings | None] = dataclasses.field(default_factory=dict)
    results: Mapping[str, Mapping[str, pathlib.Path]] = dataclasses.field(default_factory=dict)
    model: Model | None = None
    manifest: Mapping | None = None
    frames: Mapping[str, Frame] = dataclasses.field(default_factory=dict)

    def framed(self, scenes: Mapping[str, tuple[int, int]], *, sizes: str) -> "Inputs":
        """The same for certain scenes: those of many sizes are fused by few programs.

        Args:
          scenes: name -> (H, W) of its pictures.
          sizes: 'bucket', or 'exact' for a program of every size.
        """
        if not self.strategies:
            return self
        exact = sizes == "exact" or not takes_extents(self.model, self.strategies.values())
        frames = choose_frames(list(scenes.values()), exact=exact)
        return dataclasses.replace(self, frames=dict(zip(scenes, frames, strict=True)))

    def pictures(
        self, example: Example, decoded: Sequence[Picture] | None = None
    ) -> dict[str, np.ndarray]:
        """Every input of one scene.

        Args:
          example: the scene; where there are results, one of `WithResults`.
          decoded: its pictures, where they are at hand.

        Returns:
          Name -> u8[H, W, 1 or 3], RGB or gray, of one size. Fusions have the sources' color and
          are rounded to 8 bits, as saved ones are.

        Raises:
          UserError: an unreadable picture, or pictures of different sizes.
        """
        pictures = decode_example(example) if decoded is None else decoded
        shown = {
            role: picture.as_bytes()
            for role, picture in zip(example.roles, pictures, strict=True)
            if role in self.names
        }
        sources = pictures[: len(pictures) - len(self.results)]
        if self.strategies:
            height, width = size = sources[0].size
            frame = self.frames.get(example.name, Frame(size, shared=False))
            fused = _fuse(
                self.model,
                tuple(fill_up(picture.as_float(), frame.size) for picture in sources),
                frame.extent(size),
                strategies=tuple(self.strategies.values()),
                mode=resolve_color("luma", tuple(picture.colored for picture in sources)),
            )
            fused = (np.asarray(one)[:height, :width] for one in fused)
            shown |= zip(self.strategies, fused, strict=True)
        return {name: shown[name] for name in self.names}


@dataclasses.dataclass(frozen=True)
class WithResults(Examples):
    """Examples with anybody's results as further sources.

    Attributes:
      examples: without them.
      results: see `Inputs`.
    """

    examples: Sequence[Example]
    results: Mapping[str, Mapping[str, pathlib.Path]]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scenes."""
        return self.examples.names

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the sources, then names of the results."""
        return (*self.examples.roles, *self.results)

    def __getitem__(self, index: int) -> Example:
        example = self.examples[index]
        files = (result[example.name] for result in self.results.values())
        return dataclasses.replace(example, roles=self.roles, sources=(*example.sources, *files))


def find_labeled(config: ConfigDict, *, split: str | None = None) -> tuple[str, Examples]:
    """The examples of a configuration's data set, which has boxes.

    Args:
      config: see `configs/detect.py`.
      split: another one than `config.split`.

    Returns:
      `(name, examples)`: NAME/CONFIG with the label set, and a sequence of `Example` that has
      `names`, `roles` and `classes`.

    Raises:
      UserError: unknown, missing, not prepared, or without boxes.
    """
    name = config.dataset
    if name in _LABEL_SETS:
        if config.label_set not in _LABEL_SETS[name]:
            known = ", ".join(_LABEL_SETS[name])
            raise UserError(f"unknown config.label_set={config.label_set!r}: {name} has {known}")
        name = f"{name}_{config.label_set}"
    examples = find_benchmark(name, config, split=split)
    if not getattr(examples, "classes", ()):
        raise UserError(f"{name}: has no boxes: choose llvip/detection or msrs/detection")
    return name, examples


def plan_inputs(config: ConfigDict, roles: Sequence[str], scenes: Sequence[str]) -> Inputs:
    """Checks the inputs of a configuration and loads what they need.

    Args:
      config: see `configs/detect.py`.
      roles: of the data set's sources.
      scenes: names of all scenes, each of which needs its picture in every folder of results.

    Raises:
      UserError: an unknown or repeated input, missing weights, or pictures that are not there.
    """
    results = dict(_result(words, scenes) for words in config.results)
    names = (*config.inputs, *(words.partition("=")[0] for words in config.results))
    if not names:
        raise UserError("nothing to look at: name config.inputs or config.results")
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"input {name!r} is named twice: give every input its own name")
    found = find_inputs(config.inputs, roles, config)
    return dataclasses.replace(found, names=names, results=results)


def find_inputs(
    names: Sequence[str], roles: Sequence[str], config: ConfigDict, *, fold: bool = True
) -> Inputs:
    """Inputs that are roles of the sources or fusions of them, with the network that fuses.

    Args:
      names: of the inputs.
      roles: of the data set's sources.
      config: `model`, `weights_dir` and `precision` of the network.
      fold: load it folded, which is faster but cannot be trained.

    Raises:
      UserError: an unknown input, or missing weights.
    """
    fusions = [name for name in names if name not in roles]
    if not fusions:
        return Inputs(names=tuple(names))
    spec = lookup(config.model)
    path = place(config.weights_dir) / spec.name
    model = store.load(path, name=spec.name, fold=fold, precision=config.precision)
    strategies = {}
    for name in fusions:
        if name != "static" and not spec.presets:
            raise UserError(f"config.inputs={name}: {spec.name}: {INSEPARABLE}: choose 'static'")
        with naming(
            f"unknown input {name!r}: these sources are {', '.join(roles)}, and {spec.name} fuses "
            "them as static, ttd or by a preset"
        ):
            strategies[name] = model.strategy(name)
    if spec.source_count not in (None, len(roles)):
        raise UserError(f"{spec.name} fuses {spec.source_count} sources, the set has {len(roles)}")
    manifest = store.read_manifest(path)
    return Inputs(names=tuple(names), strategies=strategies, model=model, manifest=manifest)


def truth_of(example: Example, size: tuple[int, int]) -> Truth:
    """The objects of a labeled example in pixels of its pictures of `size` (H, W)."""
    height, width = size
    boxes = np.array(example.boxes, float).reshape(-1, 4)[:, [1, 0, 3, 2]]
    return Truth(boxes * [width, height, width, height], np.array(example.labels, int))


def _result(words, scenes):
    name, _, folder = words.partition("=")
    if not name or not folder:
        raise UserError(f"config.results: {words!r} is not NAME=FOLDER: write 'mine=results/mine'")
    path = place(folder).expanduser()
    if not path.is_dir():
        raise UserError(f"{path}: no such folder: check config.results")
    files = folder_images(path)
    missing = sorted(set(scenes) - files.keys())
    if missing:
        raise UserError(
            f"{path}: {len(missing)} of {len(scenes)} scenes have no picture here "
            f"({some(missing)}): name the pictures as the scenes are"
        )
    return name, files


@functools.partial(jax.jit, static_argnames=("strategies", "mode"))
def _fuse(model, pictures, extent, *, strategies, mode):
    """Fusions u8[H, W, 1 or 3] of one scene by every strategy, which share one encoder pass."""
    return [
        quantize(fuse_pictures(model, pictures, settings, mode=mode, extent=extent).image)
        for settings in strategies
    ]
