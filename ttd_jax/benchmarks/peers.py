"""Peers to compare with: reference implementations that only a checkout has, below `tests/`."""

import importlib
import pathlib
import sys

from ttd_jax.errors import UserError


def import_peer(root: pathlib.Path, module: str):
    """Imports `module`, such as 'tests.metrics.reference', from a checkout.

    Args:
      root: the checkout's folder.
      module: dotted name relative to it.

    Raises:
      UserError: the file is not there, or something it imports is not installed.
    """
    path = root.joinpath(*module.split(".")).with_suffix(".py")
    if not path.is_file():
        raise UserError(f"{path}: no such peer: run in a checkout, or pass --checkout=FOLDER")
    sys.path.insert(0, str(root.resolve()))
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"{path}: {error}: pip install 'ttd-jax[dev]'") from error
    finally:
        sys.path.pop(0)
