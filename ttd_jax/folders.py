"""A folder that one run at a time writes into."""

import contextlib
import os
import pathlib
import shutil
import sys
from collections.abc import Iterator

from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.files import PARTS
from ttd_jax.places import on_disk
from ttd_jax.processes import greatest

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

# What a model directory holds; see `ttd_jax.weights.store`.
MANIFEST = "manifest.json"
ARRAYS = "arrays"
# The file that is locked. It stays with the results and names the kind of run that made them.
MARK = ".ttd-jax"


@contextlib.contextmanager
def alone(
    folder: pathlib.Path,
    kind: str = "",
    *,
    flag: str = "--out",
    wait: bool = False,
    mend: str = "choose another place or free some space",
) -> Iterator[None]:
    """Makes a folder, if need be, and keeps other runs out of it.

    The lock is the operating system's: a killed run does not leave it behind. Where a file system
    has none, and in an object store, runs are not kept apart; no two ever write the same temporary
    file. What killed runs have left is removed. A folder that was made here is removed again if
    nothing came of it.

    Args:
      folder: where to write.
      kind: the command whose results are in it; '' for a folder that holds no results.
      flag: that names the folder.
      wait: wait for another run to end in place of refusing.
      mend: what to do if it cannot be written.

    Raises:
      UserError: another run is at work there, it holds weights or results of another kind, or it
        cannot be written.
    """
    if folder.is_file():  # one look: another run may remove its empty folder between two
        raise UserError(f"{folder}: is a file: choose a folder as {flag}")
    if (folder / MANIFEST).is_file() and (folder / ARRAYS).is_dir():
        raise UserError(f"{folder}: holds weights: choose another {flag}")
    local = on_disk(folder)
    missing = [one for one in (folder, *folder.parents) if local and not one.exists()]
    with contextlib.ExitStack() as undo:
        undo.callback(_remove_empty, missing)
        with explain_os_errors(folder, mend):
            if local:
                file, locked = _open_locked(folder / MARK, wait)
                if file is None:
                    raise UserError(
                        f"{folder}: another run is writing there: wait until it has ended, or "
                        f"choose another {flag}"
                    )
                undo.callback(os.close, file)
            before = _names(folder)
            # A run that was killed at its start has left nothing that could be mixed up.
            known = _read(folder / MARK) if before else ""
            if not all(character.islower() or character == " " for character in known):
                raise UserError(f"{folder / MARK}: damaged: remove it and run again")
            if kind and known not in ("", kind):
                raise UserError(
                    f"{folder}: holds results of `ttd-jax {known}`: choose another {flag}"
                )
            undo.callback(_tidy, folder, before, stays=bool(known), kind=kind)
            if local and locked:
                _remove_parts(folder)
            if kind:
                (folder / MARK).write_bytes(f"{kind}\n".encode())
        yield


@contextlib.contextmanager
def together(
    folder: pathlib.Path, kind: str, *, share: tuple[int, int], flag: str = "--out"
) -> Iterator[None]:
    """`alone` for the processes of one run, which begin once the first one has the folder.

    Args:
      folder: which all of them share.
      kind: see `alone`.
      share: `(process, processes)`: this process's index, and how many there are.
      flag: that names the folder.

    Raises:
      UserError: see `alone`, in every process.
    """
    process, processes = share
    with contextlib.ExitStack() as stack:
        refused = None
        if process == 0:
            try:
                stack.enter_context(alone(folder, kind, flag=flag))
            except UserError as error:
                refused = error
        if processes > 1 and greatest(refused is not None) and process:
            refused = UserError(f"{folder}: the first process cannot begin there: see its message")
        if refused is not None:
            raise refused
        yield


@contextlib.contextmanager
def holding(file: pathlib.Path, *, flag: str = "--out") -> Iterator[None]:
    """Keeps other runs off a file that this one writes; it is made if need be. See `alone`.

    Raises:
      UserError: another run is writing it.
      OSError: it cannot be made; its folder is missing.
    """
    os.stat(file.parent)  # which is not made here
    descriptor, _ = _open_locked(file, wait=False)
    if descriptor is None:
        raise UserError(
            f"{file}: another run is writing it: wait until it has ended, or choose another {flag}"
        )
    try:
        yield
    finally:
        os.close(descriptor)


def _names(folder):
    return {path.name for path in folder.iterdir()} - {MARK}


def _read(mark):
    try:
        return mark.read_bytes()[:100].decode("utf-8", "replace").strip()
    except FileNotFoundError:  # in a store, where it is no lock
        return ""


def _remove_parts(folder):
    """Removes what killed runs have left here and directly below, where no run is by itself."""
    below = (left for left in folder.glob(f"*/{PARTS}") if not (left.parent / MARK).exists())
    for left in [*folder.glob(PARTS), *below]:
        with contextlib.suppress(OSError):
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def _tidy(folder, before, *, stays, kind):
    """Removes the mark unless it marks results, and the sub-folders of a run without any."""
    if stays:
        return
    with contextlib.suppress(OSError, UserError):
        for name in (_names(folder) - before) if kind else ():
            _remove_empty(place for place, *_ in os.walk(folder / name, topdown=False))
        if not kind or _names(folder) == before:
            (folder / MARK).unlink(missing_ok=True)


def _remove_empty(folders):
    for folder in folders:
        with contextlib.suppress(OSError):
            os.rmdir(folder)


_MOST_FAILURES = 1000  # to find a folder that other runs make and remove meanwhile


def _open_locked(mark, wait):
    """`(descriptor, whether it is locked)`; no descriptor if another run holds the lock."""
    told, failures = False, 0
    while True:
        try:
            mark.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(mark, os.O_RDWR | os.O_CREAT, 0o666)
        except (FileNotFoundError, FileExistsError):
            failures += 1
            # Some places, such as /proc, say for ever that there is no folder to make one in.
            if failures > _MOST_FAILURES or (
                os.path.lexists(mark.parent) and not mark.parent.is_dir()
            ):
                raise
            continue  # the run before has just removed its folder
        try:
            if fcntl is None:
                return file, False
            fcntl.flock(file, fcntl.LOCK_EX | (0 if told else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(file)
            if not wait:
                return None, False
            if not told:
                print(f"{mark.parent}: waiting for another run there to end", file=sys.stderr)
            told = True
            continue
        except OSError:  # some network file systems have no locks
            return file, False
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), os.stat(mark)):
                return file, True
        os.close(file)  # the run before has removed it: whoever comes makes another
