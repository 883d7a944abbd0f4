"""What a file is that is no checkpoint, told from its bytes or from what was loaded of it."""

import pathlib
import zipfile
from collections.abc import Mapping
from typing import Any

from ttd_jax.errors import counted, some

_HEAD = 512  # bytes that are looked at
_OTHER = "pass the PyTorch checkpoint"
_STARTS = (
    (b"version https://git-lfs", "a pointer of git-lfs: `git lfs pull` gets the file itself"),
    (b"\x89HDF\r\n\x1a\n", f"an HDF5 file, such as Keras writes: {_OTHER}"),
    (b"\x93NUMPY", f"a NumPy array: {_OTHER}"),
    (b"\x89PNG", f"a picture: {_OTHER}"),
    (b"\xff\xd8\xff", f"a picture: {_OTHER}"),
    (b"\x1f\x8b", "packed by gzip: unpack it and pass the checkpoint"),
)
# ONNX: protobuf's tag and value of the format's version, then the tag of another field.
_ONNX_NEXT = b"\x12\x1a\x22\x2a\x32\x3a\x42"


def is_safetensors(path: pathlib.Path) -> bool:
    """Whether a file begins with the length of a header in JSON, as safetensors do."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size


def strange_file(path: pathlib.Path) -> str | None:
    """What a file is and what to pass instead; None if it may be a checkpoint.

    Nothing of it is run, and no more is read than its beginning or a zip archive's index.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for start, what in _STARTS:
        if head.startswith(start):
            return what
    if head.startswith(b"PK"):
        return _strange_archive(path)
    if head[:1] == b"\x08" and head[1:2] < b"\x20" and head[2:3] and head[2] in _ONNX_NEXT:
        return f"an ONNX model: {_OTHER} that it was exported from"
    if _is_text(head):
        page = head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml"))
        return f"a {'web page' if page else 'text'}, not a checkpoint: download the file itself"
    return None


def _is_text(head):
    text = head.decode("utf-8", "replace")
    if len(head) == _HEAD:
        text = text.rstrip("\ufffd")  # a character may be cut in two
    return bool(text) and all((c.isprintable() and c != "\ufffd") or c in "\r\n\t" for c in text)


def _strange_archive(path):
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError):  # torch tells what is truncated
        return None
    inner = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inner:
        return "a TorchScript archive, whose code is not run: save the model's state_dict()"
    if "data.pkl" in inner:
        return None
    if "model.weights.h5" in names:
        return f"a Keras model: {_OTHER}"
    return (
        f"a zip archive of {counted(len(names), 'file')} ({some(names, 2)}): unpack it and pass "
        "the checkpoint"
    )


def strange_content(loaded: Any) -> str | None:
    """What was loaded instead of named tensors; None if that cannot be told."""
    if hasattr(loaded, "shape") or (
        isinstance(loaded, (list, tuple)) and any(hasattr(one, "shape") for one in loaded)
    ):
        return "it holds tensors without names: save the model's state_dict()"
    if not isinstance(loaded, Mapping):
        return f"it holds no tensors but {type(loaded).__name__}: save the model's state_dict()"
    for state in (loaded, *loaded.values()):
        if isinstance(state, Mapping) and "param_groups" in state:
            return "it holds an optimizer's state and no weights: pass the file of the model"
    return None
