"""Known files brought to a folder of weights: downloaded, proven, put in place, converted."""

import contextlib
import dataclasses
import importlib.util
import os
import pathlib
from collections.abc import Sequence

from ttd_jax.errors import UserError, explain_os_errors, some
from ttd_jax.folders import alone
from ttd_jax.networks import NETWORKS
from ttd_jax.weights import store
from ttd_jax.weights.catalog import KnownFile, digests_of, find, origins
from ttd_jax.weights.convert import convert_checkpoint
from ttd_jax.weights.download import Transfer, download

_WORK = ".download"


@dataclasses.dataclass(frozen=True)
class Fetched:
    """What `fetch` left.

    Attributes:
      files: the proven files, each with the bytes that came over the network for it this time.
      weights: the model directory, or None where none was made.
      remarks: what the user should know.
    """

    files: dict[pathlib.Path, int]
    weights: pathlib.Path | None
    remarks: list[str]

    @property
    def received(self) -> int:
        """The bytes that came over the network."""
        return sum(self.files.values())


def fetch(
    files: Sequence[KnownFile], out: pathlib.Path, transfer: Transfer, *, overwrite: bool = False
) -> Fetched:
    """Brings files of one model to `out` and converts them to a model directory beside them.

    Each is downloaded below `out/.download/`, where a stopped download is gone on with, and moved
    to `out` only once its hash is right. The model is converted once all of its files are there.

    Args:
      files: one or more of the model's.
      out: the folder.
      transfer: how to download.
      overwrite: replace the model directory, if there is one.

    Raises:
      UserError: a file cannot be had, is not what it should be, or cannot be written; or something
        else is in its place, which is left alone.
    """
    with alone(out, wait=True):  # two would write into one part
        try:
            brought = {out / known.file: _bring(known, out, transfer) for known in files}
            weights, remarks = _convert(files[0], out, overwrite)
        finally:
            with contextlib.suppress(OSError):  # what is not empty stays
                (out / _WORK).rmdir()
    return Fetched(brought, weights, remarks)


def _bring(known, out, transfer):
    """Puts a file into its place, if it is not there; returns the bytes that came for it."""
    target = out / known.file
    if os.path.lexists(target):
        _check(known, target)
        return 0
    received = download(known, part_of(known, out), transfer)
    with explain_os_errors(target):
        os.replace(part_of(known, out), target)
    return received


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


def _convert(known, out, overwrite):
    """The model directory or None, and remarks."""
    folder, names = out / known.model, (known.file, *known.beside)
    if missing := [name for name in names if not os.path.lexists(out / name)]:
        return None, [
            f"not converted: {known.model} needs {some(missing)} as well: "
            f"`ttd-jax weights fetch {known.model}` gets all of its files"
        ]
    for other in known.beside:
        _check(find(other)[0], out / other)
    path = out if known.beside else out / known.file
    if known.model not in NETWORKS:
        return None, [f"not converted: this version has no network called {known.model}"]
    if not store.is_vacant(folder) and not overwrite:
        return folder, [_kept([out / name for name in names], folder)]
    if importlib.util.find_spec("torch") is None:
        return None, [
            "not converted, because that needs torch: pip install 'ttd-jax[convert]', then run "
            "the command again: nothing is downloaded twice"
        ]
    model, source, remarks = convert_checkpoint(NETWORKS[known.model], path)
    store.save(folder, model, source=source, overwrite=overwrite)
    return folder, remarks


def _kept(paths, folder):
    try:
        store.load(folder)
    except UserError as error:
        raise UserError(
            f"{folder}: is not a model directory, or damaged, so nothing was converted: pass "
            "--overwrite, move it away, or choose another --out"
        ) from error
    found = {one.get("sha256") for one in origins(store.read_manifest(folder)["source"])}
    same = found == {digests_of(path).sha256 for path in paths}
    made_from = ("it" if len(paths) == 1 else "them") if same else "another file"
    return f"{folder} was there already, made from {made_from}, and is kept: see --overwrite"
