"""Scenes of a data set that TFDS has prepared; no TensorFlow is needed to read them."""

import dataclasses
import functools
import importlib
import os
import pathlib
import shutil
import tempfile
import types
import weakref
from collections.abc import Sequence

from ttd_jax.errors import UserError
from ttd_jax.files import fits
from ttd_jax.pictures.examples import Example, Examples
from ttd_jax.places import on_disk, place


@dataclasses.dataclass(frozen=True)
class PreparedExamples(Examples):
    """Examples of a split of a prepared data set, read by position.

    Attributes:
      path: of the prepared data set.
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
    _copy: "_Copy | None" = dataclasses.field(repr=False)

    def __getitem__(self, index: int) -> Example:
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
        name = record["scene"].decode() if "scene" in record else self.names[number]
        if not self.classes:
            return Example(name, self.roles, files)
        objects = record["objects"]
        boxes = tuple(tuple(map(float, box)) for box in objects["bbox"])
        return Example(name, self.roles, files, boxes, tuple(map(int, objects["label"])))


def prepared_examples(
    name: str, split: str, data_dir: str | os.PathLike | None = None
) -> PreparedExamples:
    """Examples of a prepared data set: one of this package's or of anybody's.

    A data set of another package needs the file format array_record, an image feature for every
    role, and in `info.metadata` the `roles` and, by split, the `names` of its scenes; for detection
    also `classes` there and the feature `objects` with `bbox` and `label`, as
    `ttd_jax_datasets.base.FusionBuilder` has them.

    Args:
      name: NAME or NAME/CONFIG as TFDS prepared it, or MODULE:BUILDER or MODULE:BUILDER/CONFIG
        with the builder's class and the module that has it.
      split: such as 'test'.
      data_dir: where data sets are prepared, a place; `default_data_dir()` if None.

    Raises:
      UserError: tensorflow-datasets is missing, no such builder, not prepared, no such split, or
        prepared in a format that needs TensorFlow.
    """
    tfds = import_tfds()
    root = here = place(data_dir or default_data_dir())
    own = ":" not in name  # others are not prepared by this package's command
    prepare = (
        f"`ttd-jax datasets prepare {name} --manual_dir=... --data_dir={root}` does it for a "
        "benchmark of this package, its own builder for another's"
    )
    prepare = prepare if own else f"prepare it with TFDS below {root}"
    read_only_builder = importlib.import_module("tensorflow_datasets.core.read_only_builder")
    named = name if own else _tfds_name(name)
    copy = None
    if not on_disk(root):  # array_record reads a disk alone: the split that is asked for is copied
        copy = _Copy()
        here, folder = copy.folder, root / named.partition("/")[0]
        told = [file for file in folder.files() if "-of-" not in file.name]
        folder.fetch(here / folder.name, told)
    try:
        builder = read_only_builder.builder_from_files(named, data_dir=here)
        metadata = dict(builder.info.metadata or {})
    except tfds.core.DatasetNotFoundError as error:
        known = "; `ttd-jax datasets list` shows the known" if own else ""
        raise UserError(f"{root}: {name} is not prepared here: {prepare}{known}") from error
    except Exception as error:  # TFDS raises a dozen kinds for damaged files
        raise _damaged(root, name, type(error).__name__, prepare) from error
    path = pathlib.Path(os.fspath(builder.data_path))
    if copy is not None:
        path = root / path.relative_to(here)
    if not fits(metadata, {"roles": [str], "names": {str: [str]}}):
        raise UserError(f"{path}: not a benchmark of image fusion: {prepare}")
    if split not in builder.info.splits:
        raise UserError(f"{name} has no split {split!r}: it has {', '.join(builder.info.splits)}")
    if copy is not None:
        files = [path / file for file in builder.info.splits[split].filenames]
        path.fetch(pathlib.Path(os.fspath(builder.data_path)), files)
    roles = tuple(metadata["roles"])
    try:
        records = builder.as_data_source(
            split, decoders={role: tfds.decode.SkipDecoding() for role in roles}
        )
    except NotImplementedError as error:
        raise UserError(
            f"{path}: not prepared as array_record: {prepare}, with --overwrite"
        ) from error
    names = tuple(metadata["names"].get(split, ()))
    if len(names) != len(records):
        raise _damaged(root, name, f"{len(names)} names of {len(records)} examples", prepare)
    return PreparedExamples(
        path,
        split,
        names,
        roles,
        tuple(metadata.get("classes", ())),
        records,
        copy,
    )


class _Copy:
    """A folder that lasts as long as the examples; in other processes they have its name alone."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ttd_jax-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def __reduce__(self):
        return str, (str(self.folder),)


def _damaged(root, name, how, prepare):
    files = "metadata.json, features.json or dataset_info.json"
    return UserError(f"{root}: {name}: damaged {files} ({how}): {prepare} --overwrite")


def _tfds_name(words):
    """NAME or NAME/CONFIG of MODULE:BUILDER or MODULE:BUILDER/CONFIG."""
    place, slash, config = words.partition("/")
    module, _, builder = place.partition(":")
    try:
        return getattr(importlib.import_module(module), builder).name + slash + config
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"{words}: {error}: name a builder of TFDS as MODULE:BUILDER or MODULE:BUILDER/CONFIG"
        ) from error


def default_data_dir() -> pathlib.Path:
    """Where TFDS keeps prepared data: TFDS_DATA_DIR, or ~/tensorflow_datasets.

    For a user who has no home it still begins with '~', and nothing is there.
    """
    chosen = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return place(os.path.expanduser(chosen))


@functools.cache
def import_tfds() -> types.ModuleType:
    """The module tensorflow_datasets; `UserError` where it or array_record is missing."""
    try:
        importlib.import_module("array_record.python.array_record_data_source")
        return importlib.import_module("tensorflow_datasets")
    except ImportError as error:
        raise UserError(
            f"benchmarks need tensorflow-datasets ({error}): pip install 'ttd-jax[datasets]'"
        ) from error
