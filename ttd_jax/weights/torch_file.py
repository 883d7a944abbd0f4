"""Reads a torch checkpoint without ever running what is inside it."""

import pathlib
import pickle
import warnings
from typing import Any

from ttd_jax.errors import UserError, explain_missing


def read_torch_file(path: pathlib.Path) -> Any:
    """The object stored in a `.pth` file: tensors in dicts and lists, on the CPU.

    Only `weights_only=True` is used: a pickle that wants to call anything else is refused and
    nothing of it runs.

    Raises:
      UserError: file missing, truncated, not a checkpoint, or refused; torch not installed.
    """
    with explain_missing("reading .pth files", "convert"):
        import torch
    if not path.is_file():
        raise UserError(f"{path}: no such file: pass the .pth file of the model")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: the file is empty: download it again")
    try:
        with warnings.catch_warnings():  # torch's remarks on a file that is refused anyway
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: refused: it does not hold plain tensors, and nothing in it was run: "
            "pass the authors' .pth file, or save a plain state_dict"
        ) from error
    except (EOFError, RuntimeError, OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(
            f"{path}: truncated or not a torch checkpoint: download it again"
        ) from error
