"""The same example from a folder or from a prepared benchmark: names, roles and undecoded files.

Both sources are sequences of `Example` in the order of their names. Decoding is the caller's:
`ttd_jax.pictures.images.decode_picture`.
"""

import dataclasses
import functools
import importlib
import os
import pathlib
from collections.abc import Sequence

from ttd_jax.errors import UserError
from ttd_jax.pictures.images import read_bytes
from ttd_jax.pictures.scenes import Scene


@dataclasses.dataclass(frozen=True)
class Example:
    """One scene.

    Attributes:
      name: of the scene.
      roles: of its sources, in the order in which they are fused.
      files: the bytes of the sources' own image files, in the order of their roles.
      boxes: `(ymin, xmin, ymax, xmax)` of each object as fractions of the picture; None where
        the set has none.
      labels: the class of each object, an index into the set's `classes`; None likewise.
    """

    name: str
    roles: tuple[str, ...]
    files: tuple[bytes, ...]
    boxes: tuple[tuple[float, float, float, float], ...] | None = None
    labels: tuple[int, ...] | None = None


@dataclasses.dataclass(frozen=True)
class FolderExamples(Sequence):
    """Examples read from image files when they are asked for."""

    scenes: tuple[Scene, ...]
    roles: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scenes, without reading a file."""
        return tuple(scene.name for scene in self.scenes)

    def __len__(self):
        return len(self.scenes)

    def __getitem__(self, index):
        scene = self.scenes[index]
        return Example(scene.name, self.roles, tuple(map(read_bytes, scene.sources)))


@dataclasses.dataclass(frozen=True)
class PreparedExamples(Sequence):
    """Examples of a split of a prepared benchmark, read by position.

    Attributes:
      path: of the prepared benchmark.
      split: its name.
      names: of the scenes, without reading a record.
      roles: of the sources.
      classes: of the objects; empty where the set has none.
    """

    path: pathlib.Path
    split: str
    names: tuple[str, ...]
    roles: tuple[str, ...]
    classes: tuple[str, ...]
    _records: Sequence = dataclasses.field(repr=False)

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        number = range(len(self))[index]  # an IndexError here, negative numbers from the end
        try:
            record = self._records[number]
        except (OSError, RuntimeError, ValueError) as error:
            raise UserError(
                f"{self.path}: {self.split} example {number} cannot be read "
                f"({str(error).splitlines()[0] if str(error) else 'damaged file'}): "
                "prepare the benchmark again with --overwrite"
            ) from error
        files = tuple(record[role] for role in self.roles)
        name = record["scene"].decode()
        if not self.classes:
            return Example(name, self.roles, files)
        objects = record["objects"]
        boxes = tuple(tuple(map(float, box)) for box in objects["bbox"])
        return Example(name, self.roles, files, boxes, tuple(map(int, objects["label"])))


def folder_examples(scenes: Sequence[Scene], roles: Sequence[str]) -> FolderExamples:
    """Examples from the files of scenes.

    Args:
      scenes: as found by `ttd_jax.pictures.scenes.find_scenes`.
      roles: of their sources.
    """
    return FolderExamples(tuple(scenes), tuple(roles))


def prepared_examples(name: str, split: str, data_dir=None) -> PreparedExamples:
    """Examples of a benchmark that `ttd-jax datasets prepare` has written; no TensorFlow needed.

    Args:
      name: NAME or NAME/CONFIG.
      split: such as 'test'.
      data_dir: where benchmarks are prepared; `default_data_dir()` if None.

    Raises:
      UserError: tensorflow-datasets is missing, not prepared, no such split, or prepared in a
        format that needs TensorFlow.
    """
    tfds = import_tfds()
    root = pathlib.Path(data_dir or default_data_dir())
    prepare = f"`ttd-jax datasets prepare {name} --manual_dir=... --data_dir={root}`"
    read_only_builder = importlib.import_module("tensorflow_datasets.core.read_only_builder")
    try:
        builder = read_only_builder.builder_from_files(name, data_dir=root)
    except tfds.core.DatasetNotFoundError as error:
        raise UserError(f"{root}: {name} is not prepared here: {prepare}") from error
    metadata = builder.info.metadata
    if "roles" not in metadata:
        raise UserError(f"{builder.data_path}: not a benchmark of image fusion: {prepare}")
    if split not in builder.info.splits:
        raise UserError(f"{name} has no split {split!r}: it has {', '.join(builder.info.splits)}")
    roles = tuple(metadata["roles"])
    try:
        records = builder.as_data_source(
            split, decoders={role: tfds.decode.SkipDecoding() for role in roles}
        )
    except NotImplementedError as error:
        raise UserError(
            f"{builder.data_path}: not prepared as array_record: {prepare} --overwrite"
        ) from error
    names = tuple(metadata["names"][split])
    return PreparedExamples(
        pathlib.Path(os.fspath(builder.data_path)),
        split,
        names,
        roles,
        tuple(metadata["classes"]),
        records,
    )


def find_benchmark(name: str, config, *, split: str | None = None) -> Sequence:
    """The examples of a benchmark: prepared, or in its authors' folders.

    Args:
      name: NAME or NAME/CONFIG.
      config: `root` (folder of unprepared benchmarks, or empty), `folders` (benchmark -> folder
        below `root`, its own name by default), `data_dir` and `split`.
      split: in place of the configuration's.

    Raises:
      UserError: unknown, missing, not prepared.
    """
    split = split or config.split
    if not config.root:
        return prepared_examples(name, split, config.data_dir or None)
    from ttd_jax_datasets import find_config
    from ttd_jax_datasets.reading import upstream_examples

    find_config(name)  # an unknown name is told before a missing folder
    benchmark = name.partition("/")[0]
    folder = pathlib.Path(config.root) / config.folders.get(benchmark, benchmark)
    return upstream_examples(name, split, folder)


def default_data_dir() -> pathlib.Path:
    """Where TFDS keeps prepared data: TFDS_DATA_DIR, or ~/tensorflow_datasets."""
    chosen = os.environ.get("TFDS_DATA_DIR")
    return pathlib.Path(chosen).expanduser() if chosen else pathlib.Path.home() / _FOLDER


@functools.cache
def import_tfds():
    """The module tensorflow_datasets; `UserError` where it or array_record is missing."""
    try:
        importlib.import_module("array_record.python.array_record_data_source")
        return importlib.import_module("tensorflow_datasets")
    except ImportError as error:
        raise UserError(
            f"benchmarks need tensorflow-datasets ({error}): pip install 'ttd-jax[datasets]'"
        ) from error


_FOLDER = "tensorflow_datasets"
