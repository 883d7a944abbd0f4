"""What all benchmarks share: a builder is a declaration, this module does the work."""

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import ClassVar

import tensorflow_datasets as tfds
from absl import logging
from ttd_jax_datasets.labels import Voc, Yolo, add_labels
from ttd_jax_datasets.layouts import Endings, Folders, SceneFolders

from ttd_jax.errors import UserError, some
from ttd_jax.pictures.decode import decode_example
from ttd_jax.pictures.examples import Example, FolderExamples


@dataclasses.dataclass(eq=False, kw_only=True)
class FusionConfig(tfds.core.BuilderConfig):
    """One way to read a benchmark.

    Attributes:
      task: a key of `ttd_jax.core.tasks.TASKS`.
      roles: keys of the sources, in the order in which they are fused.
      layout: where the files are.
      splits: split -> official number of examples.
      labels: where and how boxes are written; scenes without a label file are left out.
      names: the only scenes to take; all when empty.
    """

    task: str
    roles: tuple[str, ...]
    layout: Folders | Endings | SceneFolders
    splits: Mapping[str, int]
    labels: Voc | Yolo | None = None
    names: frozenset[str] = frozenset()


class FusionBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A benchmark of aligned images, prepared from files that the user has downloaded.

    An example holds the bytes of each source's own file under its role, `name` (the first
    file's stem), `scene`, and in detection sets `objects`. Examples are in the order of their
    scenes' names; `info.metadata` holds `roles`, `names` (of the scenes, by split), `task` and
    `classes`.

    Attributes:
      HOMEPAGE: where the benchmark comes from.
      TERMS: the license or terms of its pictures, in a few words.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "First version."}
    HOMEPAGE = ""
    TERMS = ""

    @staticmethod
    def track(scenes: Iterable[Example], split: str) -> Iterable[Example]:
        """Iterates over the scenes of a split; a command puts a progress bar here."""
        return scenes

    @classmethod
    def at(cls, data_dir: pathlib.Path, config: FusionConfig) -> "FusionBuilder":
        """The builder of a benchmark that is, or is to be, prepared in a folder.

        Raises:
          UserError: what is prepared there is damaged.
        """
        try:
            return cls(data_dir=data_dir, config=config)
        except Exception as error:  # TFDS raises a dozen kinds for damaged files
            place = pathlib.Path(data_dir, cls.name, config.name, str(cls.VERSION))
            raise UserError(
                f"{place}: damaged dataset_info.json or features.json ({type(error).__name__}): "
                "prepare the benchmark again with --overwrite"
            ) from error

    @property
    def full_name(self) -> str:
        """NAME/CONFIG."""
        return f"{self.name}/{self.builder_config.name}"

    def _info(self):
        config = self.builder_config
        features = {role: tfds.features.Image() for role in config.roles}
        features |= {"name": tfds.features.Text(), "scene": tfds.features.Text()}
        metadata = {"roles": config.roles, "task": config.task, "names": {}, "classes": []}
        if config.labels:
            classes = list(config.labels.classes)
            metadata["classes"] = classes
            features["objects"] = tfds.features.Sequence(
                {
                    "bbox": tfds.features.BBoxFeature(),
                    "label": tfds.features.ClassLabel(names=classes),
                }
            )
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            homepage=self.HOMEPAGE,
            metadata=tfds.core.MetadataDict(metadata),
            disable_shuffling=True,  # a folder and a builder give the same examples in one order
        )

    def _split_generators(self, dl_manager):
        found = self.find(pathlib.Path(os.fspath(dl_manager.manual_dir)))
        for remark in self.shortfalls({split: len(scenes) for split, scenes in found.items()}):
            logging.warning("%s: %s", self.full_name, remark)
        self.info.metadata["names"] = {s: [x.name for x in scenes] for s, scenes in found.items()}
        return {
            split: self._generate_examples(split, scenes, dl_manager.manual_dir)
            for split, scenes in found.items()
        }

    def _generate_examples(self, split, scenes, root):
        config = self.builder_config
        found = add_labels(scenes, config.labels, pathlib.Path(root), split)
        for number, scene in enumerate(self.track(found, split)):
            decode_example(scene)  # a damaged picture is found now
            example = dict(zip(config.roles, scene.files, strict=True))
            example |= {"name": scene.sources[0].stem, "scene": scene.name}
            if config.labels:
                example["objects"] = [
                    {"bbox": tfds.features.BBox(*box), "label": label}
                    for box, label in zip(scene.boxes, scene.labels, strict=True)
                ]
            yield number, example

    def find(self, root: pathlib.Path) -> dict[str, FolderExamples]:
        """The scenes of every split that is there, sorted by name, without opening a picture.

        Args:
          root: the folder with the user's files.

        Raises:
          UserError: nothing there, a role or the labels missing, names that do not match.
        """
        config = self.builder_config
        if not root.is_dir() or not any(root.iterdir()):
            state = "is empty" if root.is_dir() else "no such folder"
            raise UserError(f"{root}: {state}: {self._expected()}")
        found = {}
        for split in config.splits:
            files = config.layout.files(root, split)
            if any(files):
                found[split] = self._match(root, split, files)
        if not found:
            inside = sorted(path.name for path in root.iterdir())
            raise UserError(f"{root}: holds {some(inside)}: {self._expected()}")
        if not any(found.values()):
            raise UserError(f"{root}: {self._nothing_left(root, found)}: {self._expected()}")
        return {split: scenes for split, scenes in found.items() if scenes}

    def shortfalls(self, counts: Mapping[str, int]) -> list[str]:
        """A line for every split that has not the official number of examples."""
        official = self.builder_config.splits
        return [
            f"{split} has {counts.get(split, 0)} of {number} examples"
            for split, number in official.items()
            if counts.get(split, 0) != number
        ]

    def _match(self, root, split, files):
        config = self.builder_config
        places = config.layout.places(split)
        for place, role_files in zip(places, files, strict=True):
            if not role_files:
                there = ", ".join(
                    f"{p} has {len(f)} images" for p, f in zip(places, files, strict=True) if f
                )
                raise UserError(f"{root}: {place} is missing ({there}): {self._expected()}")
        everything = set().union(*files)
        for place, role_files in zip(places, files, strict=True):
            missing = sorted(everything - role_files.keys())
            if missing:
                raise UserError(
                    f"{root}: {place} lacks {len(missing)} of {len(everything)} scenes of "
                    f"{self.full_name} ({some(missing)}): download it again or remove the others"
                )
        names = everything & config.names if config.names else everything
        if config.labels:
            names = names & config.labels.files(root, split).keys()
        return FolderExamples(
            Example(name, config.roles, tuple(f[name] for f in files)) for name in sorted(names)
        )

    def _nothing_left(self, root, found):
        config = self.builder_config
        pairs = " and ".join(
            f"the {len(config.layout.files(root, split)[0])} of {config.layout.places(split)[0]}"
            for split in found
        )
        if config.names:
            return f"none of the {len(config.names)} scenes of {self.full_name} is among {pairs}"
        places = " and ".join(dict.fromkeys(config.labels.place(split) for split in found))
        return f"{places}: no label file belongs to any of {pairs}"

    def _expected(self):
        config = self.builder_config
        parts = []
        for split, number in config.splits.items():
            places = [*config.layout.places(split)]
            if config.labels:
                places.append(f"{config.labels.place(split)}/*{config.labels.suffix}")
            parts.append(f"{' + '.join(places)} ({number} scenes)")
        return f"{self.full_name} needs {' and '.join(parts)}: download from {self.HOMEPAGE}"
