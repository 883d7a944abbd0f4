"""Reads the files of a checkpoint without ever running what is inside of them."""

import pathlib
import pickle
import re
import warnings
import zipfile
import zlib
from typing import Any

from ttd_jax.errors import UserError, explain_missing
from ttd_jax.folders import MANIFEST
from ttd_jax.weights import catalog
from ttd_jax.weights.looks import is_safetensors, strange_file

SUFFIXES = (".pth", ".pkl", ".pt", ".model", ".safetensors")  # of checkpoints in a folder

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


def checkpoint_files(path: pathlib.Path, model: str) -> list[pathlib.Path]:
    """The files of a checkpoint.

    Args:
      path: its file; or a folder, of which the files that the model's card names are taken if they
        are all there, and else every file with one of `SUFFIXES` that is directly in it.
      model: the registry's name.

    Raises:
      UserError: there is none.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file: pass the .pth file of the model")
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: is no file: pass the .pth file of the model")
    if (path / MANIFEST).is_file():
        raise UserError(f"{path}: holds converted weights already: pass the authors' files")
    known = [path / known.file for known in catalog.files_of(model)]
    if known and all(file.is_file() for file in known):
        return known
    try:
        found = sorted(one for one in path.iterdir() if one.suffix in SUFFIXES and one.is_file())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if not found:
        raise UserError(
            f"{path}: no checkpoint is in this folder (*{', *'.join(SUFFIXES)}): pass the .pth file"
        )
    return found


def read_checkpoint_file(path: pathlib.Path) -> Any:
    """The object stored in a file of torch or safetensors: tensors in dicts and lists, on the CPU.

    Of torch's only `weights_only=True` is used: a pickle that wants to call anything else is
    refused and nothing of it runs.

    Raises:
      UserError: file truncated, no checkpoint, or refused; torch or safetensors not installed.
    """
    try:
        if not path.stat().st_size:
            raise UserError(f"{path}: the file is empty: download it again")
        safetensors, strange = is_safetensors(path), strange_file(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if safetensors:
        return _read_safetensors(path)
    if strange:
        raise UserError(f"{path}: is {strange}")
    return _read_torch(path)


def _read_safetensors(path):
    with explain_missing("reading safetensors files", "convert"):
        import safetensors.torch  # not .numpy, which knows no bfloat16
    try:
        return safetensors.torch.load_file(path)
    except Exception as error:  # of a damaged header, kinds of its own and others
        raise UserError(f"{path}: damaged safetensors file: download it again") from error


def _damaged_record(path):
    """The record of a zip that its checksum does not fit, which torch does not look at, or None."""
    try:
        with zipfile.ZipFile(path) as records:
            return records.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error):
        return None  # torch's older format; or so damaged that torch tells it


def _read_torch(path):
    with explain_missing("reading .pth files", "convert"):
        import torch
    if damaged := _damaged_record(path):
        raise UserError(f"{path}: damaged, its {damaged} is not what was saved: download it again")
    counters = [(_Ignored, name) for name in _COUNTERS]
    try:
        # Without torch's remarks on a file that is refused anyway.
        with warnings.catch_warnings(), torch.serialization.safe_globals(counters):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"not plain tensors but {named[1]}" if named else "no plain tensors"
        raise UserError(
            f"{path}: refused: it holds {what}, and nothing in it was run: "
            "pass the authors' .pth file, or save a plain state_dict"
        ) from error
    except Exception as error:  # torch's reader raises a dozen kinds for damaged files
        raise UserError(
            f"{path}: truncated or not a torch checkpoint: download it again"
        ) from error
