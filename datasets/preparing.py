"""Writes a prepared benchmark whole or not at all."""

import contextlib
import os
import pathlib
import shutil
import tempfile

import tensorflow_datasets as tfds
from ttd_jax_datasets.base import FusionBuilder, FusionConfig

from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.folders import MARK, alone
from ttd_jax.report.progress import progress

# array_record can be read by position, and without TensorFlow.
FILE_FORMAT = "array_record"
_MEND = "choose another --data_dir or free some space"


def prepare(
    cls: type[FusionBuilder],
    config: FusionConfig,
    manual_dir: pathlib.Path,
    data_dir: pathlib.Path,
    *,
    overwrite: bool = False,
) -> tuple[FusionBuilder, bool]:
    """Prepares a benchmark from the user's files.

    Everything is written next to its final place and renamed when it is complete; what a killed
    run has left is removed by the next one.

    Args:
      cls: a `FusionBuilder`.
      config: one of its configs.
      manual_dir: the user's files.
      data_dir: where prepared benchmarks are.
      overwrite: replace what is there.

    Returns:
      The builder, to be read from, and whether it was made now.

    Raises:
      UserError: files that are missing, unmatched, damaged; no space; another run at work.
    """
    work = data_dir / f".preparing-{cls.name}-{config.name}"
    if not overwrite:
        builder = cls.at(data_dir, config)
        there = os.path.exists(builder.data_path)  # or TFDS warns of what is not there
        if there and builder.is_prepared():
            if work.exists():  # left by a run that was killed at its very end
                with contextlib.suppress(UserError), _workplace(work):
                    pass
            return builder, False
    # Mistakes of layout are told before anything is written.
    with tempfile.TemporaryDirectory() as nowhere:  # what is prepared may be damaged
        builder = cls(data_dir=nowhere, config=config)
        found = builder.find(manual_dir)
        for name in (str(data_dir), *(name for part in found.values() for name in part.names)):
            if name.encode("utf-8", "ignore").decode() != name:
                raise UserError(
                    f"{name}: its name is no UTF-8, as prepared benchmarks' are: rename it"
                )
        target = data_dir / os.path.relpath(builder.data_path, nowhere)
    with explain_os_errors(data_dir, _MEND), _workplace(work):
        staged = cls(data_dir=work, config=config)
        staged.track = _bar
        _write(staged, manual_dir, work / "downloads", data_dir)
        target.parent.mkdir(parents=True, exist_ok=True)
        config_note = pathlib.Path(cls.name, ".config")
        shutil.copytree(work / config_note, data_dir / config_note, dirs_exist_ok=True)
        if target.exists():
            target.rename(work / "replaced")
        os.rename(staged.data_path, target)
    return cls(data_dir=data_dir, config=config), True


def _write(builder, manual_dir, downloads, data_dir):
    tfds.disable_progress_bar()
    options = tfds.download.DownloadConfig(
        manual_dir=manual_dir,
        compute_stats=tfds.download.ComputeStatsMode.SKIP,
        try_download_gcs=False,
    )
    try:
        with open(os.devnull, "w", encoding="utf-8") as null, contextlib.redirect_stdout(null):
            builder.download_and_prepare(
                file_format=FILE_FORMAT, download_dir=downloads, download_config=options
            )
    except RuntimeError as error:  # array_record's, for a full disk
        reason = (str(error).splitlines() or ["unknown"])[0]
        raise UserError(f"{data_dir}: cannot write: {reason}: {_MEND}") from error


def _bar(scenes, split):
    return progress(scenes, f"preparing {split}")


@contextlib.contextmanager
def _workplace(work):
    """An empty folder that only this process has, removed at the end."""
    with alone(work, flag="--data_dir", mend=_MEND):
        _empty(work)  # of what a killed run has left
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                _empty(work)
    with contextlib.suppress(OSError):
        work.rmdir()


def _empty(folder):
    for left in folder.iterdir():
        if left.name != MARK:
            shutil.rmtree(left) if left.is_dir() else left.unlink()
