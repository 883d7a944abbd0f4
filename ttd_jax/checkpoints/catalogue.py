"""The known upstream files, read from the cards in `third_party/`."""

import dataclasses
import functools
import hashlib
import json
from importlib import resources


@dataclasses.dataclass(frozen=True)
class KnownFile:
    """One file of an upstream project.

    Attributes:
      file: its name.
      path: its path in the repository.
      size: in bytes, or None where it is not known.
      sha256: hex digest, or None where only git's is known.
      git_blob: git's blob id (sha1), or None.
      model: the registry's name of the model it holds.
      project: name of the upstream project.
      repository: OWNER/NAME.
      commit: 40 hex digits.
      licence: as stated upstream, or 'none stated'.
      citation: how to cite it.
    """

    file: str
    path: str
    model: str
    project: str
    repository: str
    commit: str
    licence: str
    citation: str
    size: int | None = None
    sha256: str | None = None
    git_blob: str | None = None

    @property
    def origin(self) -> str:
        """Where it comes from: repository, commit and path in one word."""
        return f"{self.repository}@{self.commit}:{self.path}"


@functools.cache
def known_files() -> tuple[KnownFile, ...]:
    """Every file of every card, in the order of the cards' names."""
    cards = sorted(
        (folder for folder in resources.files("ttd_jax_third_party").iterdir() if folder.is_dir()),
        key=lambda folder: folder.name,
    )
    found = []
    for folder in cards:
        card_file = folder / "card.json"
        if card_file.is_file():
            card = json.loads(card_file.read_text())
            found += [KnownFile(**_shared(card), **entry) for entry in card["files"]]
    return tuple(found)


def _shared(card):
    return {k: card[k] for k in ("project", "repository", "commit", "licence", "citation")}


def identify(data: bytes) -> KnownFile | None:
    """The known file whose content is `data`, or None."""
    sha256 = hashlib.sha256(data).hexdigest()
    blob = git_blob_id(data)
    for known in known_files():
        if sha256 == known.sha256 or blob == known.git_blob:
            return known
    return None


def git_blob_id(data: bytes) -> str:
    """Git's name of a file: sha1 over `blob <size>\\0` and the bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
