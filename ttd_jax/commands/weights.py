"""List, fetch and verify the authors' weights.

    ttd-jax weights list
    ttd-jax weights fetch ifcnn_sum                # or a file: IFCNN-SUM.pth
    ttd-jax weights verify weights/ifcnn_sum       # or a file, or a folder of files: weights

`fetch` downloads a model's files from its authors' repository at a fixed commit, proves each by its
hash, puts them into --out and converts them to --out/MODEL. A stopped download is gone on with.
Behind a proxy, set https_proxy. `verify` ends with status 0 only if PATH is proven to be what it
should be.
"""

import os
import pathlib

from absl.flags import FlagValues

from ttd_jax.commands import common
from ttd_jax.errors import UserError
from ttd_jax.report.columns import aligned
from ttd_jax.weights import catalog, store
from ttd_jax.weights.download import GITHUB, Transfer
from ttd_jax.weights.fetch import fetch, part_of


def define_flags(values: FlagValues) -> None:
    """The flags of this command."""
    flag = common.Flags(values)
    flag.path("out", "folder of the weights", "weights")
    flag.boolean("overwrite", "replace weights at --out/MODEL")
    server = f"server with OWNER/NAME/COMMIT/PATH; default: TTD_JAX_WEIGHTS_URL, or {GITHUB}"
    flag.string("base_url", server)
    flag.number("timeout", "seconds to wait for the server's next byte", 30.0)
    flag.integer("retries", "further tries when the connection fails", 4, least=0)
    flag.json()


def run(values: FlagValues, arguments: list[str]) -> None:
    """Runs the action that the first argument names."""
    common.dispatch("weights", _ACTIONS, values, arguments)


def _list(values):
    out = pathlib.Path(values.out)
    rows = [_row(known, out, _base_url(values)) for known in catalog.known_files()]
    head = ("file", "model", "project", "bytes", "hash", "license", "fetched", "converted")
    shown = [{**row, **_shown(row)} for row in rows]
    table = [head, *([row[name] for name in head] for row in shown)]
    common.tell(values, rows, *aligned(table))


def _shown(row):
    """What the table shows otherwise than the record."""
    return {
        "bytes": "?" if row["size"] is None else f"{row['size']:,}",
        "hash": "sha256" if row["sha256"] else "git blob",
        "converted": "yes" if row["converted"] else "no",
    }


def _row(known, out, base_url):
    names = ("file", "model", "project", "size", "sha256", "git_blob", "license", "citation")
    return {
        **{name: getattr(known, name) for name in names},
        "url": known.url(base_url),
        "fetched": _state(known, out),
        "converted": (out / known.model / store.MANIFEST).is_file(),
    }


def _state(known, out):
    path = out / known.file
    if path.is_file():
        return "WRONG HASH" if known.difference(catalog.digests_of(path)) else "yes"
    return "in part" if part_of(known, out).is_file() else "no"


def _fetch(values, name):
    files = catalog.find(name)
    transfer = Transfer(base_url=_base_url(values), timeout=values.timeout, retries=values.retries)
    got = fetch(files, pathlib.Path(values.out), transfer, overwrite=values.overwrite)
    known, paths = files[0], [str(path) for path in got.files]
    record = {
        "file": paths[0],
        "files": paths,
        "received": got.received,
        "weights": got.weights and str(got.weights),
        "remarks": got.remarks,
        "license": known.license,
        "citation": known.citation,
    }
    told = [
        f"{path}: {'downloaded' if received else 'was there already'}, {one.proof} is right"
        for one, path, received in zip(files, paths, got.files.values(), strict=True)
    ]
    common.tell(
        values,
        record,
        *told,
        *([f"{got.weights}: weights of {known.model}"] if got.weights else []),
        *(f"note: {remark}" for remark in got.remarks),
        f"license of the weights: {known.license}",
        f"cite: {known.citation}",
    )


def _verify(values, path):
    path = pathlib.Path(path).expanduser()
    if not store.locate(path).exists():
        raise UserError(f"{path}: no such file or folder: pass a .pth file or a model directory")
    if not (store.locate(path).is_dir() or path.is_file()):
        raise UserError(f"{path}: is neither a file nor a folder: pass a .pth file")
    record = {"path": str(path), **(_verify_file(path) if path.is_file() else _verify_folder(path))}
    said = [
        f"{one['path']}: {one['is']}: {one['proof']} is right"
        for one in record.get("files", [record])
    ]
    common.tell(values, record, *said)


def _verify_file(path):
    found = catalog.digests_of(path)
    if wrong := catalog.misnamed(path, found):
        raise UserError(f"{wrong}: fetch it again into another folder")
    known = catalog.recognize(found)
    if known:
        return {
            "is": f"{known.file} of {known.project}, {_part(known)}weights of {known.model}",
            "model": known.model,
            "proof": known.proof,
        }
    raise UserError(
        f"{path}: not a known file: sha256 {found.sha256}: `ttd-jax weights list` shows the known"
    )


def _part(known):
    return "a part of the " if known.beside else ""


def _verify_folder(path):
    """A model directory; or every known file in a folder; or every model directory in it."""
    if (path / store.MANIFEST).is_file():
        return _verify_directory(path)
    found = [path / known.file for known in catalog.known_files() if (path / known.file).is_file()]
    verify = _verify_file
    if not found:
        found = [manifest.parent for manifest in sorted(path.glob(f"*/{store.MANIFEST}"))]
        verify = _verify_directory
    if not found:
        return _verify_directory(path)  # which tells what is missing, or what is shipped
    return {"files": [{"path": str(one), **verify(one)} for one in found]}


def _verify_directory(path):
    manifest = store.read_manifest(path)
    name = manifest["model"]
    store.load(path)
    files = [one.get("known_as") for one in catalog.origins(manifest["source"])]
    origin = " and ".join(known or "an unknown file" for known in files)
    return {
        "is": f"weights of {name}, made from {origin} by their manifest",
        "model": name,
        "proof": f"sha256 {manifest['sha256']}",
    }


def _base_url(values):
    return values.base_url or os.environ.get("TTD_JAX_WEIGHTS_URL") or GITHUB


_ACTIONS = {"list": _list, "fetch NAME": _fetch, "verify PATH": _verify}
