"""Weights on disk: an orbax directory beside a JSON manifest that proves it."""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax import traverse_util

import ttd_jax.version
from ttd_jax.core.dominability import DominabilitySettings
from ttd_jax.detectors import Detector
from ttd_jax.errors import UserError, explain_os_errors, some
from ttd_jax.files import dumps, part_in, read_json, write_whole
from ttd_jax.folders import ARRAYS, MANIFEST
from ttd_jax.networks import (
    NETWORKS,
    PRECISIONS,
    Classifier,
    FusionSpec,
    Model,
    NetworkSpec,
    folding,
    lookup,
    networks,
)
from ttd_jax.places import Remote, local, on_disk, place
from ttd_jax.processes import find_devices
from ttd_jax.registry import left_out

# Weights that come with this package: `shipped/MODEL`, see the README in that folder.
SHIPPED = pathlib.Path(ttd_jax.version.__file__).parent / "shipped"
FORMAT = 1
_AGAIN = "convert them again, or go on with their training by --resume"


def tree_sha256(variables: Mapping[str, Any]) -> str:
    """Hex digest over the sorted (path, dtype, shape, bytes) of the leaves.

    Two orbax directories of one tree differ in bytes; this does not.
    """
    digest = hashlib.sha256()
    for path, leaf in sorted(traverse_util.flatten_dict(variables, sep="/").items()):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{path} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def save(
    path: str | os.PathLike,
    model: Model | Classifier | Detector,
    *,
    source: dict | None = None,
    overwrite: bool = False,
) -> dict:
    """Writes a model as an orbax directory with its manifest; whole or not at all.

    Args:
      path: the directory to make, a place.
      model: what to save; of a registered network, as `FusionSpec.bind` makes it.
      source: where it came from; JSON-able, goes into the manifest.
      overwrite: replace what is at `path`; only ever another model directory.

    Returns:
      The manifest.

    Raises:
      UserError: something is at `path` already, or it cannot be written; or the model is folded,
        which cannot be undone: save it as it was before.
    """
    import orbax.checkpoint as ocp

    if isinstance(model, Model) and model.module.folded:
        raise UserError("a folded model is for inference: save the model it was folded from")
    if model.spec is None:
        raise UserError("only a registered network can be saved: make the model by `spec.bind`")
    find_devices()  # or orbax would call the files damaged
    path = place(path).absolute()
    _check_vacant(path, overwrite)
    leaves, settings = jax.tree.leaves(model.variables), getattr(model, "settings", None)
    manifest = {
        "format": FORMAT,
        "model": model.spec.name,
        "settings": settings and dataclasses.asdict(settings),
        "source": source or {},
        "sha256": tree_sha256(model.variables),
        "parameters": int(sum(np.size(leaf) for leaf in leaves)),
        "tool": f"ttd-jax {ttd_jax.version.__version__}",
    }
    with explain_os_errors(path), contextlib.ExitStack() as undo:
        if on_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            staging = part_in(path.parent)
            staging.mkdir()
            undo.callback(shutil.rmtree, staging, ignore_errors=True)
        else:  # tensorstore has names and settings of its own for stores
            copy = tempfile.TemporaryDirectory(prefix="ttd_jax-")
            staging = pathlib.Path(undo.enter_context(copy))
        with _own_checkpointer(ocp) as checkpointer:
            try:
                checkpointer.save(staging / "new" / ARRAYS, model.variables)
            except ValueError as error:  # tensorstore's name for a full disk
                raise _as_os_error(error) from error
        write_whole(staging / "new" / MANIFEST, dumps(manifest))
        if not on_disk(path):
            _send(staging / "new", path)
            return manifest
        if path.exists():
            os.rename(path, staging / "old")
        os.rename(staging / "new", path)
    return manifest


def _send(folder: pathlib.Path, path: Remote) -> None:
    """Weights are there from their manifest on: it goes first and comes last."""
    (path / MANIFEST).unlink(missing_ok=True)
    (path / ARRAYS).rmtree()
    path.store(folder, [file for file in (folder / ARRAYS).rglob("*") if file.is_file()])
    path.store(folder, [folder / MANIFEST])


def _as_os_error(error):
    """What the system said of a write, from what tensorstore says of it."""
    number = re.search(r"os_error_code='(\d+)'", str(error))
    if number:
        return OSError(int(number[1]), os.strerror(int(number[1])))
    return OSError(None, str(error).splitlines()[0][:200])


def _own_checkpointer(ocp):
    """Writes by this process alone, without waiting for the others of a distributed run."""
    process = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=process,
        active_processes={process},
        barrier_sync_key_prefix=f"process-{process}",
    )
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=alone)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)


def is_vacant(path: pathlib.Path) -> bool:
    """Whether there is nothing at `path`, or an empty folder."""
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))


def _check_vacant(path, overwrite):
    if is_vacant(path):
        return
    if not overwrite:
        raise UserError(f"{path}: already exists: choose another --out, or pass --overwrite")
    if not (path / MANIFEST).is_file():
        raise UserError(
            f"{path}: is not a model directory, so it is not replaced: choose another --out"
        )
    strange = sorted({one.name for one in path.iterdir()} - {MANIFEST, ARRAYS})
    if strange:
        raise UserError(
            f"{path}: holds more than weights ({some(strange)}), so it is not replaced: move that "
            "away"
        )


def locate(path: str | os.PathLike) -> pathlib.Path:
    """A model directory; `shipped/MODEL` is inside of this package unless there is one here."""
    path = place(path)
    if path.parts[:1] == (SHIPPED.name,) and not path.exists():
        return SHIPPED.joinpath(*path.parts[1:])
    return path


def read_manifest(path: str | os.PathLike) -> dict:
    """The manifest of a model directory, see `locate`; `source` is a dict, empty if it is unknown.

    Raises:
      UserError: no directory, no manifest, or an unreadable one.
    """
    path = locate(path)
    if path.is_file():
        raise UserError(f"{path}: is a file: pass the directory that `ttd-jax convert` made of it")
    if not (path / MANIFEST).is_file():
        model = path.name if path.name in NETWORKS else "MODEL"
        raise UserError(
            f"{path}: no weights here (no {MANIFEST}): `ttd-jax weights fetch {model}` gets "
            "them, `ttd-jax convert` makes them, and shipped/ifcnn_sum comes with the package"
        )
    like = {"model": str, "settings": None, "sha256": str}
    manifest = read_json(path / MANIFEST, like, mend=_AGAIN.replace("them", "the weights"))
    if not isinstance(manifest.get("source"), dict):
        manifest["source"] = {}
    _read_old_spelling(manifest)
    if manifest.get("format") != FORMAT:
        raise UserError(
            f"{path}: weights of format {manifest.get('format')}, this version reads {FORMAT}: "
            "convert the weights again"
        )
    return manifest


def _read_old_spelling(manifest):
    """Manifests of version 0.1 wrote these words otherwise."""
    for record, renamed in (
        (manifest["settings"], {"preset": "loss", "normalisation": "normalization"}),
        (manifest["source"], {"licence": "license"}),
    ):
        for old, new in renamed.items() if isinstance(record, dict) else ():
            if old in record:
                record.setdefault(new, record.pop(old))


def load(
    path: str | os.PathLike,
    *,
    name: str | None = None,
    kind: type[NetworkSpec] = NetworkSpec,
    dominability: str | DominabilitySettings | None = None,
    fold: bool = False,
    **options: Any,
) -> Model | Classifier | Detector:
    """Loads converted weights, of whatever network their manifest names.

    Args:
      path: a directory made by `ttd-jax convert`, `weights fetch`, `finetune` or `detect train`,
        or 'shipped/ifcnn_sum'.
      name: what they are expected to be; others are refused.
      kind: of what they are expected to be: `FusionSpec`, `ClassifierSpec`, `DetectorSpec`.
      dominability: of a fusion network: a preset, a loss map, or settings; by default the
        manifest's.
      fold: of a fusion network: merge neighboring linear layers: fewer operations and the same
        outputs up to rounding, for inference only (see `ttd_jax.networks.folding`).
      **options: fields of the Flax module, e.g. `precision`, or CDDFuse's `residual`.

    Returns:
      A `Model`, `Classifier` or `Detector`: module, variables, settings and spec in one pytree.

    Raises:
      UserError: unknown network or preset, weights missing, damaged or of another network.

    Example:
      >>> model = ttd_jax.load("shipped/ifcnn_sum", name="ifcnn_sum", dominability="self")
      >>> model.settings.loss
      'self'
    """
    if name is not None:
        lookup(name, kind)
    precision = options.get("precision", "highest")
    if isinstance(precision, str) and precision not in PRECISIONS:
        raise UserError(f"precision {precision!r} must be one of {', '.join(PRECISIONS)}")
    find_devices()  # or orbax would call the files damaged
    manifest = read_manifest(path)
    spec = _spec(path, manifest, name, kind)
    settings = _settings(spec, path, manifest, dominability)
    for option in options:
        if option not in ("precision", *spec.options):
            raise UserError(
                f"{option}={options[option]}: {spec.name} has no {option}: leave it out"
            )
    variables = _variables(path, manifest, spec, settings)
    model = spec.bind(variables, settings=settings, **options)
    return folding.fold(model) if fold else model


def _spec(path, manifest, name, kind):
    held = manifest["model"]
    if held not in NETWORKS:
        raise UserError(
            f"{path}: holds weights of {held!r}, which is not known here: install the package "
            f"that brings it, or pass weights of {', '.join(networks(kind))}{left_out()}"
        )
    if name is not None and held != name:
        both = {type(NETWORKS[held]), type(NETWORKS[name])} == {FusionSpec}
        mend = f"pass --model={held}, or " if both else "pass "
        raise UserError(
            f"{path}: holds weights of {held}, not of {name}: {mend}the weights of {name}"
        )
    if not isinstance(NETWORKS[held], kind):
        raise UserError(
            f"{path}: holds weights of {held}, which is no {kind.kind}: pass those of "
            f"{', '.join(networks(kind))}"
        )
    return NETWORKS[held]


def _settings(spec, path, manifest, dominability):
    if isinstance(spec, FusionSpec) and dominability is not None:
        named = isinstance(dominability, str)
        return spec.dominability(dominability) if named else dominability
    try:
        return spec.read_settings(manifest["settings"])
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{place(path) / MANIFEST}: unusable settings: {error}: convert the weights again"
        ) from error


def _variables(path, manifest, spec, settings):
    """The variables at `path`, checked against their manifest."""
    with local(locate(path).absolute(), lambda file: ARRAYS in file.parts) as folder:
        variables = _restore(folder / ARRAYS, spec, spec.shapes(settings))
    if tree_sha256(variables) != manifest["sha256"]:
        raise UserError(f"{path}: the weights do not match their manifest: {_AGAIN}")
    for leaf_path, leaf in traverse_util.flatten_dict(variables, sep="/").items():
        if not np.isfinite(leaf).all():
            raise UserError(f"{path}: {leaf_path} holds NaN or Inf: convert another checkpoint")
    return jax.device_put(variables)


def _check_readable(folder):
    """Refuses files that are closed to this user; orbax tells them no better than damaged ones."""

    def refuse(error):
        raise UserError(f"{error.filename}: cannot be read: {error.strerror}") from error

    for root, folders, files in os.walk(folder, onerror=refuse):
        for name in (*folders, *files):
            if not os.access(os.path.join(root, name), os.R_OK):
                raise UserError(f"{os.path.join(root, name)}: cannot be read: Permission denied")


def _restore(path, spec, expected):
    import orbax.checkpoint as ocp

    try:
        with ocp.PyTreeCheckpointer() as checkpointer:
            tree = traverse_util.unflatten_dict(expected, sep="/")
            restore_args = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
            found = checkpointer.restore(path, restore_args=restore_args)
    except Exception as error:  # orbax and tensorstore raise a dozen kinds for damaged files
        _check_readable(path)
        raise UserError(f"{path.parent}: damaged weights: {_AGAIN}") from error
    shapes = {k: v.shape for k, v in traverse_util.flatten_dict(found, sep="/").items()}
    if shapes != {k: v.shape for k, v in expected.items()}:
        raise UserError(f"{path.parent}: the weights do not fit {spec.name}: convert them again")
    return found
