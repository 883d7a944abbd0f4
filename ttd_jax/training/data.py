"""What a config wants a network to be trained on: found, checked, and some of it held back."""

import dataclasses
from collections.abc import Collection

from ml_collections import ConfigDict

from ttd_jax.errors import UserError, naming
from ttd_jax.networks import FusionSpec
from ttd_jax.pictures.checking import check
from ttd_jax.pictures.decode import reading_of
from ttd_jax.pictures.examples import FolderExamples
from ttd_jax.pictures.prepared import prepared_examples
from ttd_jax.pictures.public import TRAINING, PublicExamples
from ttd_jax.pictures.scenes import find_scenes
from ttd_jax.training.samples import SYNTHETIC, SampleOptions, Sampler
from ttd_jax.training.scenes import held_back, join_examples


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """Scenes to train on.

    Attributes:
      scenes: a sampler of those that are trained on.
      held_back: a sampler of the others; None if there are none.
      sizes: (H, W) of the pictures of those.
      sha256: over all of their names and files.
    """

    scenes: Sampler
    held_back: Sampler | None
    sizes: tuple[tuple[int, int], ...]
    sha256: str


def find_data(
    config: ConfigDict, spec: FusionSpec, *, needs: Collection[str], share: tuple[int, int] = (0, 1)
) -> TrainingData:
    """The scenes of a config's data sets, every one of them decoded once.

    Args:
      config: see `configs/finetune.py`.
      spec: of the network that they are for.
      needs: keys that a sample must have.
      share: see `ttd_jax.pictures.checking.check`.

    Raises:
      UserError: missing or unreadable data, or data that does not fit the network or the needs.
    """
    synthetic = _synthetic(config, needs)
    examples = join_examples(_parts(config, synthetic))
    sources = 2 if synthetic else len(examples.roles)
    if spec.source_count not in (None, sources):
        raise UserError(
            f"{spec.name} fuses {spec.source_count} sources: these scenes have {sources}"
        )
    with naming("config"):
        options = SampleOptions(
            channels=spec.channels,
            color=config.color,
            crop=config.crop,
            flips=config.flips,
            least_contrast=config.least_contrast,
            synthetic=synthetic,
            visible_rgb="visible_rgb" in needs,
        )
    if config.crop < spec.min_size:
        raise UserError(f"config.crop={config.crop}: {spec.name} needs at least {spec.min_size}")
    kept, out = held_back(config.held_back, len(examples))
    reading = reading_of(config)
    scenes = check(examples, reading=reading, least=config.crop, needs="config.crop", share=share)
    return TrainingData(
        scenes=Sampler(examples, kept, options, reading),
        held_back=Sampler(examples, out, options, reading) if out else None,
        sizes=tuple(scenes[number].size for number in out),
        sha256=scenes.sha256,
    )


def _synthetic(config, needs):
    """The kinds of synthetic scenes, none for scenes of several sources."""
    kinds = tuple(name for name in config.datasets if name in SYNTHETIC)
    if kinds and len(kinds) != len(config.datasets):
        raise UserError(
            f"data sets {', '.join(config.datasets)}: {' and '.join(SYNTHETIC)} cannot be joined "
            "with sets of other scenes"
        )
    if "truth" in needs and not kinds:
        raise UserError(
            f"an objective needs to know the truth: train it on {' or '.join(SYNTHETIC)}"
        )
    return kinds


def _parts(config, synthetic):
    """Data set -> examples; nothing for a config without data sets."""
    if synthetic:  # all kinds are made of the same pictures
        if not config.sources:
            return {"public": PublicExamples(TRAINING)}
        folders = [config.sources] if isinstance(config.sources, str) else config.sources
        found = [find_scenes([folder], ("picture",), least=1) for folder in folders]
        return {"pictures": FolderExamples(scene for scenes in found for scene in scenes)}
    if config.datasets and not config.sources:
        return {
            name: prepared_examples(name, config.split, config.data_dir or None)
            for name in config.datasets
        }
    if not config.datasets:
        return {}
    folders = [tuple(part) for part in config.sources if not isinstance(part, str)]
    folders = folders or [tuple(config.sources)]
    if len(folders) != len(config.datasets):
        raise UserError(
            f"config.sources names folders of {len(folders)} data sets: the config names "
            f"{len(config.datasets)}"
        )
    return {name: find_scenes(paths) for name, paths in zip(config.datasets, folders, strict=True)}
