"""Writes a prepared benchmark whole or not at all."""

import contextlib
import fcntl
import os
import pathlib
import shutil

import tensorflow_datasets as tfds
from ttd_jax_datasets.base import FusionBuilder, FusionConfig

from ttd_jax.errors import UserError, explain_os_errors
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
    builder = cls(data_dir=data_dir, config=config)
    target = pathlib.Path(os.fspath(builder.data_path))
    if not overwrite and target.exists() and builder.is_prepared():
        return builder, False
    builder.find(manual_dir)  # mistakes of layout are told before anything is written
    with (
        explain_os_errors(data_dir, _MEND),
        _workplace(data_dir, f".preparing-{cls.name}-{config.name}") as work,
    ):
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
        with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):
            builder.download_and_prepare(
                file_format=FILE_FORMAT, download_dir=downloads, download_config=options
            )
    except RuntimeError as error:  # array_record's, for a full disk
        reason = (str(error).splitlines() or ["unknown"])[0]
        raise UserError(f"{data_dir}: cannot write: {reason}: {_MEND}") from error


def _bar(scenes, split):
    return progress(scenes, f"preparing {split}")


@contextlib.contextmanager
def _workplace(data_dir, name):
    """An empty folder in `data_dir` that only this process has, removed at the end."""
    work = data_dir / name
    created = [d for d in (data_dir, *data_dir.parents) if not d.exists()]
    work.mkdir(parents=True, exist_ok=True)
    lock = os.open(work, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{work}: another run is preparing this benchmark: wait until it has ended"
            ) from None
        for left in work.iterdir():  # by a killed run
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
            for folder in created:
                with contextlib.suppress(OSError):
                    folder.rmdir()  # only if nothing came of it
    finally:
        os.close(lock)
