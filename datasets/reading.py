"""Examples straight from a benchmark's own folders, without preparing it."""

import pathlib
import tempfile

from ttd_jax_datasets import find_config

from ttd_jax.data.examples import FolderExamples, folder_examples
from ttd_jax.errors import UserError


def upstream_examples(name: str, split: str, root: pathlib.Path) -> FolderExamples:
    """Examples of a benchmark as its authors distribute it.

    Args:
      name: NAME or NAME/CONFIG.
      split: such as 'test'.
      root: the folder that `ttd-jax datasets prepare` takes as --manual_dir.

    Raises:
      UserError: unknown name; files that are missing or do not match.
    """
    cls, config = find_config(name)
    with tempfile.TemporaryDirectory() as nowhere:  # TFDS looks for a prepared copy first
        found = cls(data_dir=nowhere, config=config).find(root)
    if split not in found:
        raise UserError(f"{root}: {name} has no split {split!r} here: it has {', '.join(found)}")
    return folder_examples(found[split], config.roles)
