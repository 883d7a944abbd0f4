"""The known upstream files, read from the cards in `third_party/`."""

import dataclasses
import functools
import hashlib
import json
import pathlib
import urllib.parse
from collections.abc import Mapping
from importlib import resources
from typing import Any

from ttd_jax.errors import UserError
from ttd_jax.registry import nearest

_CHUNK = 1 << 20
_OF_ALL_FILES = ("project", "repository", "commit", "license", "citation")  # of a card


@dataclasses.dataclass(frozen=True)
class Digests:
    """What a file is proven by: its size in bytes, its sha256 and git's blob id (sha1)."""

    size: int
    sha256: str
    git_blob: str


@dataclasses.dataclass(frozen=True)
class KnownFile:
    """One file of an upstream project.

    Attributes:
      file: its name.
      path: its path in the repository; that of an asset of a release starts with 'releases/'.
      size: in bytes, or None where it is not known.
      sha256: hex digest, or None where only git's is known.
      git_blob: git's blob id (sha1), or None where only sha256 is known.
      release: whether it is an asset of a release rather than a file of the commit.
      model: the registry's name of the model that it holds, or holds a part of.
      beside: names of the files that hold the rest of the model.
      project: name of the upstream project.
      repository: OWNER/NAME.
      commit: 40 hex digits.
      license: as stated upstream, or 'none stated'.
      citation: how to cite it.
    """

    file: str
    path: str
    model: str
    project: str
    repository: str
    commit: str
    license: str
    citation: str
    size: int | None = None
    sha256: str | None = None
    git_blob: str | None = None
    release: bool = False
    beside: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.sha256 is None and self.git_blob is None:  # nothing could ever prove such a file
            raise ValueError(f"{self.file}: its card holds neither sha256 nor git_blob")

    @property
    def origin(self) -> str:
        """Where it comes from: repository, commit and path in one word."""
        return f"{self.repository}@{self.commit}:{self.path}"

    @property
    def proof(self) -> str:
        """The hash that proves it, with its kind: 'sha256 ...' or 'git blob ...'."""
        return f"sha256 {self.sha256}" if self.sha256 else f"git blob {self.git_blob}"

    def url(self, base: str) -> str:
        """Its address on a server that keeps files as OWNER/NAME/COMMIT/PATH below `base`.

        An asset of a release is at OWNER/NAME/PATH, and GitHub keeps those on another server.
        """
        path = f"{self.repository}/{self.commit}/{self.path}"
        if self.release:
            path = f"{self.repository}/{self.path}"
            base = base.replace("https://raw.githubusercontent.com", "https://github.com")
        return f"{base.rstrip('/')}/{urllib.parse.quote(path)}"

    def difference(self, found: Digests) -> str:
        """Says how `found` is not this file, naming both hashes; '' if it is this file."""
        for kind, expected, got in (
            ("sha256", self.sha256, found.sha256),
            ("git blob", self.git_blob, found.git_blob),
            ("size", self.size, found.size),
        ):
            if expected not in (None, got):
                return f"expected {kind} {expected}, found {got}"
        return ""


@functools.cache
def known_files() -> tuple[KnownFile, ...]:
    """Every file of every card, in the order of the cards' names."""
    found = []
    for folder in sorted(resources.files("ttd_jax_third_party").iterdir(), key=lambda f: f.name):
        card_file = folder / "card.json"
        if card_file.is_file():
            card = json.loads(card_file.read_text(encoding="utf-8"))
            shared = {name: card[name] for name in _OF_ALL_FILES}
            files = [KnownFile(**shared, **entry) for entry in card["files"]]
            found += [dataclasses.replace(one, beside=_beside(one, files)) for one in files]
    return tuple(found)


def _beside(known, files):
    return tuple(one.file for one in files if one.model == known.model and one is not known)


def files_of(model: str) -> tuple[KnownFile, ...]:
    """The known files that hold a model together; none if its name is not on a card."""
    return tuple(known for known in known_files() if known.model == model)


def find(name: str) -> tuple[KnownFile, ...]:
    """The known files of a model's name, or the one of a file's name.

    Raises:
      UserError: unknown; the nearest name is suggested.
    """
    found = files_of(name) or tuple(known for known in known_files() if known.file == name)
    if found:
        return found
    near = nearest(name, [name for known in known_files() for name in (known.model, known.file)])
    hint = f"did you mean {near!r}? " if near else ""
    raise UserError(f"unknown weights {name!r}: {hint}`ttd-jax weights list` shows all")


def recognize(found: Digests) -> KnownFile | None:
    """The known file with these digests, or None."""
    return next((known for known in known_files() if not known.difference(found)), None)


def origins(source: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a manifest's `source` tells of each file: `sha256` and `known_as`, if it does."""
    return source.get("files") or [source]


def misnamed(path: pathlib.Path, found: Digests) -> str:
    """Says how a file is not the known one of its name; '' if it is, or if none has its name."""
    for known in known_files():
        if known.file == path.name and (difference := known.difference(found)):
            return f"{path}: is not {known.file} of {known.project}: {difference}"
    return ""


def digests_of(path: pathlib.Path) -> Digests:
    """Reads a file once, in pieces, and gives what proves it.

    Raises:
      UserError: it is missing, a folder, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            sha256 = hashlib.sha256()
            # Git's name of a file: sha1 over `blob <size>\0` and the bytes.
            blob = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
            while piece := file.read(_CHUNK):
                sha256.update(piece)
                blob.update(piece)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}: pass another path") from error
    return Digests(size, sha256.hexdigest(), blob.hexdigest())
