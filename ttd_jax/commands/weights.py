"""List, fetch and verify the authors' weights.

    ttd-jax weights list
    ttd-jax weights fetch ifcnn_sum                # or a file: IFCNN-SUM.pth
    ttd-jax weights verify weights/ifcnn_sum       # or a file: weights/IFCNN-SUM.pth

`fetch` downloads the file from its authors' repository at a fixed commit, proves it by its hash,
puts it into --out and converts it to --out/MODEL. A stopped download is gone on with. Behind a
proxy, set https_proxy. `verify` ends with status 0 only if PATH is proven to be what it should be.
"""

import os
import pathlib

from absl import flags

from ttd_jax.commands import common
from ttd_jax.errors import UserError
from ttd_jax.files import dumps
from ttd_jax.report.columns import aligned
from ttd_jax.weights import catalog, store
from ttd_jax.weights.download import GITHUB, Transfer
from ttd_jax.weights.fetch import fetch, part_of


def define_flags(values):
    """The flags of this command."""
    flags.DEFINE_string("out", "weights", "folder of the weights", flag_values=values)
    flags.DEFINE_bool("overwrite", False, "replace weights at --out/MODEL", flag_values=values)
    flags.DEFINE_string(
        "base_url",
        None,
        f"server with OWNER/NAME/COMMIT/PATH; default: TTD_JAX_WEIGHTS_URL, or {GITHUB}",
        flag_values=values,
    )
    flags.DEFINE_float(
        "timeout", 30.0, "seconds to wait for the server's next byte", flag_values=values
    )
    flags.DEFINE_integer(
        "retries", 4, "further tries when the connection fails", lower_bound=0, flag_values=values
    )
    common.define_json(values)


def run(values, arguments):
    """Runs the action that the first argument names."""
    action, rest = common.choose(arguments, _ACTIONS, "weights list | fetch NAME | verify PATH")
    action(values, rest)


def _list(values, arguments):
    common.reject_arguments(arguments)
    out = pathlib.Path(values.out)
    rows = [_row(known, out, _base_url(values)) for known in catalog.known_files()]
    if values.json:
        print(dumps(rows), end="")
        return
    table = [("file", "model", "project", "bytes", "hash", "license", "fetched", "converted")]
    for row in rows:
        table.append(
            (
                row["file"],
                row["model"],
                row["project"],
                "?" if row["size"] is None else f"{row['size']:,}",
                "sha256" if row["sha256"] else "git blob",
                row["license"],
                row["fetched"],
                "yes" if row["converted"] else "no",
            )
        )
    print("\n".join(aligned(table)))


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


def _fetch(values, arguments):
    known = catalog.find(common.only_argument(arguments, "weights fetch NAME"))
    transfer = Transfer(base_url=_base_url(values), timeout=values.timeout, retries=values.retries)
    got = fetch(known, pathlib.Path(values.out), transfer, overwrite=values.overwrite)
    if values.json:
        record = {
            "file": str(got.path),
            "received": got.received,
            "weights": str(got.weights) if got.weights else None,
            "remarks": got.remarks,
            "license": known.license,
            "citation": known.citation,
        }
        print(dumps(record), end="")
        return
    how = "downloaded" if got.received else "was there already"
    print(f"{got.path}: {how}, {known.proof} is right")
    if got.weights:
        print(f"{got.weights}: weights of {known.model}")
    for remark in got.remarks:
        print(f"note: {remark}")
    print(f"license of the weights: {known.license}")
    print(f"cite: {known.citation}")


def _verify(values, arguments):
    path = pathlib.Path(common.only_argument(arguments, "weights verify PATH"))
    if not path.exists():
        raise UserError(f"{path}: no such file or folder: pass a .pth file or a model directory")
    record = _verify_directory(path) if path.is_dir() else _verify_file(path)
    if values.json:
        print(dumps({"path": str(path), **record}), end="")
        return
    print(f"{path}: {record['is']}: {record['proof']} is right")


def _verify_file(path):
    found = catalog.digests_of(path)
    known = catalog.recognize(found)
    if known:
        return {
            "is": f"{known.file} of {known.project}, weights of {known.model}",
            "model": known.model,
            "proof": known.proof,
        }
    for known in catalog.known_files():
        if known.file == path.name:
            raise UserError(
                f"{path}: is not {known.file} of {known.project}: {known.difference(found)}: "
                "fetch it again into another folder"
            )
    raise UserError(
        f"{path}: not a known file: sha256 {found.sha256}: `ttd-jax weights list` shows the known"
    )


def _verify_directory(path):
    manifest = store.read_manifest(path)
    name = manifest["model"]
    store.load(path)
    source = manifest.get("source")
    origin = source.get("known_as") if isinstance(source, dict) else None
    return {
        "is": f"weights of {name}, made from {origin or 'an unknown file'} by their manifest",
        "model": name,
        "proof": f"sha256 {manifest['sha256']}",
    }


def _base_url(values):
    return values.base_url or os.environ.get("TTD_JAX_WEIGHTS_URL") or GITHUB


_ACTIONS = {"list": _list, "fetch": _fetch, "verify": _verify}
