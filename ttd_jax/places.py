"""Where files are: on a disk, or below a URL in an object store, such as gs:// or s3://.

fsspec reads and writes the stores, each by a package of its own. etils.epath stands on it as well,
but takes TensorFlow's file systems where that is installed, says of a bucket that is closed to us
that nothing is there, and lists late what another process has added.
"""

import concurrent.futures
import contextlib
import errno
import fnmatch
import functools
import glob
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ttd_jax.errors import UserError, one_line

_URL = re.compile("[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
_EXTRAS = {"gs": "gcs", "gcs": "gcs", "s3": "s3", "s3a": "s3"}  # scheme -> extra of this package


def is_url(text: str | os.PathLike) -> bool:
    """Whether a text is a URL rather than a path: of two slashes pathlib leaves one.

    Example:
      >>> is_url("gs://bucket/out"), is_url("C:/out")
      (True, False)
    """
    return _URL.match(os.fspath(text)) is not None


def place(text: str | os.PathLike) -> "pathlib.Path | Remote":
    """A path on a disk; or a place in an object store, which has the methods of a path.

    Args:
      text: a path or a URL; a place stays as it is.

    Raises:
      UserError: nothing is known of the URL's scheme, or its package is not installed.

    Example:
      >>> place("weights/ifcnn_sum").name
      'ifcnn_sum'
    """
    url = _URL.match(os.fspath(text))
    if url is None:
        return pathlib.Path(text)
    found = Remote(url[0].lower(), url.string[url.end() :].lstrip("/"))
    scheme, *rest = found.parts
    chained = "::" in str(text)  # fsspec's sign for a chain of stores
    if not rest or chained or scheme in ("file:", "local:"):
        raise UserError(f"{text}: is no place in a bucket: write gs://BUCKET/FOLDER, or a path")
    _store(scheme)
    return found


def on_disk(path: os.PathLike) -> bool:
    """Whether a place is on a disk, where files can be locked, renamed and appended to."""
    return not isinstance(path, Remote)


def resolved(path: os.PathLike) -> str:
    """The one name of a place that has several, by links."""
    return os.path.realpath(path) if on_disk(path) else str(path)


class Remote(pathlib.PurePosixPath):
    """A place in an object store, with what of `pathlib.Path` this package uses.

    Objects are written whole or not at all. A folder is what names have in common: it need not be
    made, and is there while an object is in it.

    Raises:
      FileNotFoundError: from what reads: there is no such object.
      UserError: from all that asks the store: it refuses, cannot be reached, or has no such bucket.
    """

    def __str__(self) -> str:
        return super().__str__().replace(":/", "://", 1)

    __fspath__ = __str__

    def absolute(self) -> "Remote":
        return self

    def expanduser(self) -> "Remote":
        return self

    def exists(self) -> bool:
        return self._kind() is not None

    def is_file(self) -> bool:
        return self._kind() == "file"

    def is_dir(self) -> bool:
        return self._kind() == "directory"

    def iterdir(self) -> Iterator["Remote"]:
        try:
            keys = self._ask("ls", detail=False)
        except FileNotFoundError:
            keys = []
        # An object and a folder may have one name.
        return iter(dict.fromkeys(self._named(key.rstrip("/") for key in keys)))

    def glob(self, pattern: str) -> Iterator["Remote"]:
        """What is directly in the folder and has such a name."""
        return (one for one in self.iterdir() if fnmatch.fnmatchcase(one.name, pattern))

    def files(self) -> list["Remote"]:
        """Every object below, in the order of their names."""
        return sorted(self._named(self._ask("find")))

    def size(self) -> int:
        """Bytes of an object."""
        return self._ask("info")["size"]

    def read_bytes(self) -> bytes:
        return self._ask("cat_file")

    def read_text(self, encoding: str) -> str:
        return self.read_bytes().decode(encoding)

    def write_bytes(self, data: bytes) -> None:
        # gcsfs sends small objects between lines: their last carriage return would be a line's end.
        in_chunks = self.parts[0] in ("gs:", "gcs:") and data.endswith(b"\r")
        options = {"chunksize": len(data)} if in_chunks else {}
        self._ask("pipe_file", data, writes=True, **options)

    def mkdir(self, **_: bool) -> None:
        """Nothing: a folder need not be made."""

    def unlink(self, missing_ok: bool = False) -> None:
        with contextlib.suppress(*[FileNotFoundError] if missing_ok else ()):
            self._ask("rm_file")

    def rmtree(self) -> None:
        """Removes every object below."""
        files = [glob.escape(str(file)) for file in self.files()]  # they are taken for patterns
        with contextlib.suppress(FileNotFoundError):
            if files:
                self._ask("rm", of=files)

    def fetch(self, folder: pathlib.Path, files: Iterable["Remote"]) -> None:
        """Copies objects from below here to the same names in a folder on the disk."""

        def one(file):
            target = folder / file.relative_to(self)
            target.parent.mkdir(parents=True, exist_ok=True)
            file._ask("get_file", str(target))

        _each(one, files)

    def store(self, folder: pathlib.Path, files: Iterable[pathlib.Path]) -> None:
        """Copies files of a folder on the disk to the same names below here."""

        def one(file):
            (self / file.relative_to(folder).as_posix()).write_bytes(file.read_bytes())

        _each(one, files)

    def _kind(self):
        try:
            return self._ask("info")["type"]
        except FileNotFoundError:
            return None

    @property
    def _key(self):
        return "/".join(self.parts[1:])

    def _named(self, keys):
        """The places of objects below this one whose names a path can have.

        Others end with a slash, as marks of folders do, or have parts that lead elsewhere.
        """
        for key in keys:
            below = key.partition(f"{self._key}/")[2]
            if not {"", ".", ".."}.intersection(below.split("/")):
                yield self / below

    def _ask(self, method, *arguments, of=None, writes=False, **options) -> Any:
        """Calls a method of the store; tells in a line what the dozen kinds of its errors say."""
        store = _store(self.parts[0])
        try:
            return getattr(store, method)(of or str(self), *arguments, **options)
        except FileNotFoundError as error:
            if not writes and self._has_bucket(store):
                reason = os.strerror(errno.ENOENT)
                raise FileNotFoundError(errno.ENOENT, reason, str(self)) from error
            name = self.parts[1]
            raise UserError(f"{self}: there is no bucket {name!r}: check its name") from error
        except (UserError, MemoryError):
            raise
        except Exception as error:
            raise UserError(
                f"{self}: the store refuses or cannot be reached ({one_line(error)}): check your "
                "credentials, the permissions of the bucket, and the network"
            ) from error

    def _has_bucket(self, store):
        """Of one that is there a listing fails only where it is not allowed."""
        try:
            store.find(str(self))
        except FileNotFoundError:
            return False
        except Exception:
            return True
        return True


def _each(function, items):
    """Calls a function of every item, several at a time: stores take their time to answer."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(function, items))


@functools.cache
def _store(scheme):
    scheme = scheme.removesuffix(":")
    try:
        import fsspec

        # What other processes add must be seen at once.
        return fsspec.filesystem(scheme, use_listings_cache=False)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        mend = f"pip install 'ttd-jax[{extra}]'" if extra else "install it"
        raise UserError(f"{scheme}:// needs a package that is missing ({error}): {mend}") from error
    except Exception as error:
        raise UserError(
            f"{scheme}:// is no store that can be used ({one_line(error)}): check the URL"
        ) from error


@contextlib.contextmanager
def local(
    path: os.PathLike, wanted: Callable[[Remote], bool] = lambda file: True
) -> Iterator[pathlib.Path]:
    """A folder on the disk, for libraries that know no other: itself, or a copy of a remote one.

    Args:
      path: the folder.
      wanted: which of its objects are copied.

    Raises:
      UserError: one that is raised while the copy is used names the folder itself.
    """
    if on_disk(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="ttd_jax-") as copy:
        path.fetch(pathlib.Path(copy), filter(wanted, path.files()))
        try:
            yield pathlib.Path(copy)
        except UserError as error:
            raise UserError(str(error).replace(copy, str(path))) from error


def remove_folder(folder: os.PathLike) -> None:
    """Removes a folder and all in it, as far as that can be."""
    if on_disk(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return
    with contextlib.suppress(UserError):
        folder.rmtree()
