"""Examples straight from a benchmark's own folders, without preparing it."""

import dataclasses
import pathlib
import tempfile
from collections.abc import Mapping, Sequence

from ttd_jax_datasets import find_config

from ttd_jax.errors import UserError
from ttd_jax.pictures.examples import FolderExamples
from ttd_jax.pictures.images import read_bytes, read_picture
from ttd_jax.pictures.prepared import prepared_examples


@dataclasses.dataclass(frozen=True)
class LabeledExamples(Sequence):
    """Examples with the boxes of their label files, read when they are asked for.

    Attributes:
      pictures: the same examples without boxes.
      format: of the label files; see `ttd_jax_datasets.labels`.
      files: scene -> label file.
    """

    pictures: FolderExamples
    format: object
    files: Mapping[str, pathlib.Path]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scenes, without reading a file."""
        return self.pictures.names

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the sources."""
        return self.pictures.roles

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of the objects."""
        return self.format.classes

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        example = self.pictures[index]
        path = self.files[example.name]
        size = read_picture(example.sources[0]).size
        try:
            found = self.format.parse(read_bytes(path), size)
        except ValueError as error:
            raise UserError(f"{path}: {error}: mend the file or download it again") from error
        return dataclasses.replace(
            example,
            boxes=tuple((x.ymin, x.xmin, x.ymax, x.xmax) for x in found),
            labels=tuple(self.classes.index(x.name) for x in found),
        )


def upstream_examples(
    name: str, split: str, root: pathlib.Path
) -> FolderExamples | LabeledExamples:
    """Examples of a benchmark as its authors distribute it, with boxes where its config has them.

    Args:
      name: NAME or NAME/CONFIG.
      split: such as 'test'.
      root: the folder that `ttd-jax datasets prepare` takes as --manual_dir.

    Raises:
      UserError: unknown name; files that are missing or do not match. Asking for an example of a
        detection set raises it for a label file that is truncated or wrong.
    """
    cls, config = find_config(name)
    with tempfile.TemporaryDirectory() as nowhere:  # TFDS looks for a prepared copy first
        found = cls(data_dir=nowhere, config=config).find(root)
    if split not in found:
        raise UserError(f"{root}: {name} has no split {split!r} here: it has {', '.join(found)}")
    if config.labels is None:
        return found[split]
    return LabeledExamples(found[split], config.labels, config.labels.files(root, split))


def find_benchmark(name: str, config, *, split: str | None = None) -> Sequence:
    """The examples of a benchmark: prepared, or in its authors' folders.

    Args:
      name: NAME or NAME/CONFIG; of a prepared one whatever `prepared_examples` takes.
      config: `root` (folder of unprepared benchmarks, or empty), `folders` (benchmark -> folder
        below `root`, its own name by default), `data_dir` and `split`.
      split: in place of the configuration's.

    Raises:
      UserError: unknown, missing, not prepared.
    """
    split = split or config.split
    if not config.root:
        return prepared_examples(name, split, config.data_dir or None)
    find_config(name)  # an unknown name is told before a missing folder
    benchmark = name.partition("/")[0]
    folder = pathlib.Path(config.root) / config.folders.get(benchmark, benchmark)
    return upstream_examples(name, split, folder)
