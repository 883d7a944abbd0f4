"""Examples straight from a benchmark's own folders, without preparing it."""

import pathlib
import tempfile
from collections.abc import Sequence
from typing import Any

from ttd_jax_datasets import find_config
from ttd_jax_datasets.labels import LabeledExamples, add_labels

from ttd_jax.errors import UserError
from ttd_jax.pictures.examples import FolderExamples
from ttd_jax.pictures.prepared import prepared_examples
from ttd_jax.places import place


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
    return add_labels(found[split], config.labels, root, split)


def find_benchmark(name: str, config: Any, *, split: str | None = None) -> Sequence:
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
    folder = place(config.root) / config.folders.get(benchmark, benchmark)
    return upstream_examples(name, split, folder)
