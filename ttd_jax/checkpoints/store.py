"""Weights on disk: an orbax directory beside a JSON manifest that proves it."""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import tempfile

import jax
import numpy as np
from flax import traverse_util

import ttd_jax.version
from ttd_jax.backbones import (
    CLASSIFIERS,
    DETECTORS,
    PRECISIONS,
    REGISTRY,
    Classifier,
    Detector,
    DetectorSettings,
    Model,
    folding,
    lookup,
    variable_shapes,
)
from ttd_jax.core.dominability import DominabilitySettings
from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.files import dumps

MANIFEST = "manifest.json"
ARRAYS = "arrays"
# Weights that come with this package: `shipped/MODEL`, see the README in that folder.
SHIPPED = pathlib.Path(ttd_jax.version.__file__).parent / "shipped"
FORMAT = 1


def sha256(data: bytes) -> str:
    """Hex digest of bytes."""
    return hashlib.sha256(data).hexdigest()


def tree_sha256(variables) -> str:
    """Hex digest over the sorted (path, dtype, shape, bytes) of the leaves.

    Two orbax directories of one tree differ in bytes; this does not.
    """
    digest = hashlib.sha256()
    for path, leaf in sorted(traverse_util.flatten_dict(variables, sep="/").items()):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{path} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def save_model(
    path, name: str, model: Model | Classifier | Detector, *, source: dict, overwrite: bool = False
) -> dict:
    """Writes a model as an orbax directory with its manifest; whole or not at all.

    Args:
      path: the directory to make.
      name: the model's name in the registry.
      model: what to save.
      source: where it came from; JSON-able, goes into the manifest.
      overwrite: replace what is at `path`; only ever another model directory.

    Returns:
      The manifest.

    Raises:
      UserError: something is at `path` already, or it cannot be written.
      ValueError: the model is folded, which cannot be undone: save it as it was before.
    """
    import orbax.checkpoint as ocp

    if isinstance(model, Model) and model.module.folded:
        raise ValueError("a folded model is for inference: save the model it was folded from")
    path = pathlib.Path(path).absolute()
    _check_vacant(path, overwrite)
    leaves = jax.tree.leaves(model.variables)
    manifest = {
        "format": FORMAT,
        "model": name,
        "settings": None if isinstance(model, Classifier) else dataclasses.asdict(model.settings),
        "source": source,
        "sha256": tree_sha256(model.variables),
        "parameters": int(sum(np.size(leaf) for leaf in leaves)),
        "tool": f"ttd-jax {ttd_jax.version.__version__}",
    }
    with explain_os_errors(path), contextlib.ExitStack() as undo:
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = pathlib.Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        undo.callback(shutil.rmtree, staging, ignore_errors=True)
        with _own_checkpointer(ocp) as checkpointer:
            try:
                checkpointer.save(staging / "new" / ARRAYS, model.variables)
            except ValueError as error:  # tensorstore's name for a full disk
                raise OSError(None, str(error).splitlines()[0][:200]) from error
        (staging / "new" / MANIFEST).write_text(dumps(manifest))
        if path.exists():
            os.rename(path, staging / "old")
        os.rename(staging / "new", path)
    return manifest


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


def _check_vacant(path, overwrite):
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not overwrite:
        raise UserError(f"{path}: already exists: choose another --out, or pass --overwrite")
    if not (path / MANIFEST).is_file():
        raise UserError(
            f"{path}: is not a model directory, so it is not replaced: choose another --out"
        )


def locate(path) -> pathlib.Path:
    """A model directory; `shipped/MODEL` is inside of this package unless there is one here."""
    path = pathlib.Path(path)
    if path.parts[:1] == (SHIPPED.name,) and not path.exists():
        return SHIPPED.joinpath(*path.parts[1:])
    return path


def read_manifest(path) -> dict:
    """The manifest of a model directory, see `locate`.

    Raises:
      UserError: no directory, no manifest, or an unreadable one.
    """
    path = locate(path)
    if path.is_file():
        raise UserError(f"{path}: is a file: pass the directory that `ttd-jax convert` made of it")
    if not (path / MANIFEST).is_file():
        raise UserError(
            f"{path}: no weights here ({MANIFEST} is missing): make them with `ttd-jax convert`"
        )
    try:
        manifest = json.loads((path / MANIFEST).read_text())
        manifest["model"], manifest["settings"], manifest["sha256"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UserError(
            f"{path / MANIFEST}: unreadable manifest: convert the weights again"
        ) from error
    if manifest.get("format") != FORMAT:
        raise UserError(
            f"{path}: weights of format {manifest.get('format')}, this version reads {FORMAT}: "
            "convert the weights again"
        )
    return manifest


def load_model(
    name: str,
    path,
    *,
    dominability: str | DominabilitySettings | None = None,
    fold: bool = False,
    **options,
) -> Model:
    """Loads converted weights.

    Args:
      name: the model's name in the registry, e.g. 'ifcnn_sum'.
      path: a directory made by `ttd-jax convert` or `finetune`, or 'shipped/ifcnn_sum'.
      dominability: a loss preset of this model, or settings; by default the manifest's.
      fold: merge neighbouring linear layers: fewer operations and the same outputs up to rounding,
        for inference only (see `ttd_jax.backbones.folding`).
      **options: fields of the Flax module, e.g. `precision`, or CDDFuse's `residual`.

    Returns:
      A `Model`: module, variables and settings in one pytree.

    Raises:
      UserError: unknown model or preset, weights missing, damaged or of another model.

    Example:
      >>> model = ttd_jax.load_model("ifcnn_sum", "weights/ifcnn_sum")  # doctest: +SKIP
    """
    try:
        row = lookup(name)
    except ValueError as error:
        raise UserError(str(error)) from error
    _check_precision(options)
    variables, manifest = _load(row, path)
    model = Model(
        variables=variables,
        module=row.build(**options),
        settings=_settings(row, pathlib.Path(path), manifest, dominability),
    )
    return folding.fold(model) if fold else model


def load_classifier(path, **options) -> Classifier:
    """Loads the converted weights of PIAFusion's illumination classifier.

    Args:
      path: a directory made by `ttd-jax convert --model=piafusion_classifier`.
      **options: fields of the Flax module, e.g. `precision`.

    Returns:
      A `Classifier` for `ttd_jax.illumination`: module and variables in one pytree.

    Raises:
      UserError: weights missing, damaged or of a fusion network.

    Example:
      >>> classifier = ttd_jax.load_classifier("weights/classifier")  # doctest: +SKIP
    """
    row = CLASSIFIERS["piafusion_classifier"]
    _check_precision(options)
    variables, _ = _load(row, path)
    return row.bind(variables, **options)


def load_detector(path, **options) -> Detector:
    """Loads the converted weights of an object detector.

    Args:
      path: a directory made by `ttd-jax convert --model=yolox_nano` or of another size.
      **options: fields of the Flax module, e.g. `precision`.

    Returns:
      A `Detector` for `ttd_jax.detection.detect`: module, variables and settings in one pytree.

    Raises:
      UserError: weights missing, damaged or of a network that is no detector.

    Example:
      >>> detector = ttd_jax.load_detector("weights/yolox_nano")  # doctest: +SKIP
    """
    _check_precision(options)
    manifest = read_manifest(path)
    if manifest["model"] not in DETECTORS:
        raise UserError(
            f"{path}: holds weights of {manifest['model']}, which is no detector: pass those of "
            f"{', '.join(DETECTORS)}"
        )
    try:
        settings = DetectorSettings(**manifest["settings"])
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{pathlib.Path(path) / MANIFEST}: unusable settings: {error}: convert the weights "
            "again"
        ) from error
    row = DETECTORS[manifest["model"]].with_settings(settings)
    variables, _ = _load(row, path)
    return row.bind(variables, **options)


def _check_precision(options):
    named = options.get("precision", "highest")
    if isinstance(named, str) and named not in PRECISIONS:
        raise UserError(f"precision {named!r} must be one of {', '.join(PRECISIONS)}")


def _load(row, path):
    """The variables and the manifest of the weights at `path`, checked against each other."""
    manifest = read_manifest(path)
    held = manifest["model"]
    if held != row.name:
        fuses = held in REGISTRY and row.name in REGISTRY
        mend = f"pass --model={held}, or " if fuses else "pass "
        raise UserError(
            f"{path}: holds weights of {held}, not of {row.name}: {mend}the weights of {row.name}"
        )
    variables = _restore(locate(path).absolute() / ARRAYS, row)
    if tree_sha256(variables) != manifest["sha256"]:
        raise UserError(f"{path}: the weights do not match their manifest: convert them again")
    for leaf_path, leaf in traverse_util.flatten_dict(variables, sep="/").items():
        if not np.isfinite(leaf).all():
            raise UserError(f"{path}: {leaf_path} holds NaN or Inf: convert another checkpoint")
    return jax.device_put(variables), manifest


def _settings(row, path, manifest, dominability):
    if dominability is None:
        try:
            return DominabilitySettings(**manifest["settings"])
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{path / MANIFEST}: unusable settings: {error}: convert the weights again"
            ) from error
    if isinstance(dominability, DominabilitySettings):
        return dominability
    if dominability not in row.presets:
        raise UserError(
            f"unknown dominability preset {dominability!r}: {row.name} knows "
            f"{', '.join(row.presets)}"
        )
    return row.presets[dominability]


def _restore(path, row):
    import orbax.checkpoint as ocp

    expected = variable_shapes(row)
    try:
        with ocp.PyTreeCheckpointer() as checkpointer:
            tree = traverse_util.unflatten_dict(expected, sep="/")
            restore_args = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
            found = checkpointer.restore(path, restore_args=restore_args)
    except Exception as error:  # orbax and tensorstore raise a dozen kinds for damaged files
        raise UserError(f"{path.parent}: damaged weights: convert them again") from error
    shapes = {k: v.shape for k, v in traverse_util.flatten_dict(found, sep="/").items()}
    if shapes != {k: v.shape for k, v in expected.items()}:
        raise UserError(f"{path.parent}: the weights do not fit {row.name}: convert them again")
    return found
