"""Known files brought to a folder of weights: downloaded, proven, put in place, converted."""

import contextlib
import dataclasses
import importlib.util
import os
import pathlib

from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.folders import alone
from ttd_jax.networks import NETWORKS
from ttd_jax.weights import store
from ttd_jax.weights.catalog import KnownFile, digests_of
from ttd_jax.weights.convert import convert_checkpoint
from ttd_jax.weights.download import Transfer, download

_WORK = ".download"


@dataclasses.dataclass(frozen=True)
class Fetched:
    """What `fetch` left.

    Attributes:
      path: the proven file.
      received: bytes that came over the network for it this time.
      weights: the model directory, or None where none was made.
      remarks: what the user should know.
    """

    path: pathlib.Path
    received: int
    weights: pathlib.Path | None
    remarks: list[str]


def fetch(
    known: KnownFile, out: pathlib.Path, transfer: Transfer, *, overwrite: bool = False
) -> Fetched:
    """Brings a known file to `out` and converts it to a model directory beside it.

    It is downloaded below `out/.download/`, where a stopped download is gone on with, and moved to
    `out` only once its hash is right.

    Args:
      known: the file.
      out: the folder.
      transfer: how to download.
      overwrite: replace the model directory, if there is one.

    Raises:
      UserError: it cannot be had, is not what it should be, or cannot be written; or something
        else is in its place, which is left alone.
    """
    target, received = out / known.file, 0
    with alone(out, wait=True):  # two would write into one part
        try:
            if os.path.lexists(target):
                _check(known, target)
            else:
                received = download(known, part_of(known, out), transfer)
                with explain_os_errors(target):
                    os.replace(part_of(known, out), target)
            weights, remarks = _convert(known, target, out / known.model, overwrite)
        finally:
            with contextlib.suppress(OSError):  # what is not empty stays
                (out / _WORK).rmdir()
    return Fetched(target, received, weights, remarks)


def part_of(known: KnownFile, out: pathlib.Path) -> pathlib.Path:
    """Where the beginning of an unfinished download into `out` is."""
    return out / _WORK / f"{known.file}.part"


def _check(known, path):
    difference = known.difference(digests_of(path))
    if difference:
        raise UserError(
            f"{path}: is not {known.file} of {known.project}: {difference}: it was left alone: "
            "move it away, or choose another --out"
        )


def _convert(known, path, folder, overwrite):
    """The model directory or None, and remarks."""
    if known.model not in NETWORKS:
        return None, [f"not converted: this version has no network called {known.model}"]
    if not store.is_vacant(folder) and not overwrite:
        return folder, [_kept(path, folder)]
    if importlib.util.find_spec("torch") is None:
        return None, [
            "not converted, because that needs torch: pip install 'ttd-jax[convert]', then run "
            "the command again: nothing is downloaded twice"
        ]
    model, source, remarks = convert_checkpoint(NETWORKS[known.model], path)
    store.save(folder, model, source=source, overwrite=overwrite)
    return folder, remarks


def _kept(path, folder):
    try:
        store.load(folder)
    except UserError as error:
        raise UserError(
            f"{folder}: is not a model directory, or damaged, so {path} was not converted: pass "
            "--overwrite, move it away, or choose another --out"
        ) from error
    source = store.read_manifest(folder)["source"]
    made_from = "it" if source.get("sha256") == digests_of(path).sha256 else "another file"
    return f"{folder} was there already, made from {made_from}, and is kept: see --overwrite"
