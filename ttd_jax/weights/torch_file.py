"""Reads a torch checkpoint without ever running what is inside it."""

import pathlib
import pickle
import warnings
from typing import Any

from ttd_jax.errors import UserError, explain_missing

# NumPy's numbers, such as the best score so far: nothing of them is needed.
_COUNTERS = (
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    *(f"numpy.dtypes.{kind}DType" for kind in ("Float32", "Float64", "Int32", "Int64")),
)


class _Ignored:
    """Stands for anything of `_COUNTERS`, which is neither called nor made."""

    def __init__(self, *arguments):
        del arguments

    def __setstate__(self, state):
        del state


def read_torch_file(path: pathlib.Path) -> Any:
    """The object stored in a `.pth` file: tensors in dicts and lists, on the CPU.

    Only `weights_only=True` is used: a pickle that wants to call anything else is refused and
    nothing of it runs.

    Raises:
      UserError: file missing, truncated, not a checkpoint, or refused; torch not installed.
    """
    with explain_missing("reading .pth files", "convert"):
        import torch
    if not path.exists():
        raise UserError(f"{path}: no such file: pass the .pth file of the model")
    if not path.is_file():
        raise UserError(f"{path}: is no file: pass the .pth file of the model")
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if not start:
        raise UserError(f"{path}: the file is empty: download it again")
    if start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
        raise UserError(
            f"{path}: is a safetensors file: write a .pth file of it by "
            "torch.save(safetensors.torch.load_file(...), ...)"
        )
    counters = [(_Ignored, name) for name in _COUNTERS]
    try:
        # Without torch's remarks on a file that is refused anyway.
        with warnings.catch_warnings(), torch.serialization.safe_globals(counters):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: refused: it does not hold plain tensors, and nothing in it was run: "
            "pass the authors' .pth file, or save a plain state_dict"
        ) from error
    except Exception as error:  # torch's reader raises a dozen kinds for damaged files
        raise UserError(
            f"{path}: truncated or not a torch checkpoint: download it again"
        ) from error
