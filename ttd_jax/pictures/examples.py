"""A scene: aligned pictures of one view, in files or in memory, not decoded yet.

Every source of scenes, be it folders, a prepared benchmark or a generator, is a sequence of
`Example` with `names` and `roles`, in the order of the names: `Examples`, or `FolderExamples`.
"""

import dataclasses
import hashlib
import pathlib
from collections.abc import Sequence

from ttd_jax.pictures.images import read_bytes


@dataclasses.dataclass(frozen=True)
class Example:
    """One scene.

    Attributes:
      name: of the scene.
      roles: of its sources, in the order in which they are fused.
      sources: image files in the order of their roles: paths, or what such a file holds.
      boxes: `(ymin, xmin, ymax, xmax)` of each object as fractions of the picture; None where
        the set has none.
      labels: the class of each object, an index into the set's `classes`; None likewise.
      pages: of the files, from 0, where they may hold several pictures; None where they hold one.
    """

    name: str
    roles: tuple[str, ...]
    sources: tuple[bytes | pathlib.Path, ...]
    boxes: tuple[tuple[float, float, float, float], ...] | None = None
    labels: tuple[int, ...] | None = None
    pages: tuple[int | None, ...] | None = None

    @property
    def titles(self) -> tuple[str, ...]:
        """What messages call its sources: their paths, or the scene and the role."""
        return tuple(
            f"{self.name} ({role})" if isinstance(source, bytes) else str(source)
            for role, source in zip(self.roles, self.sources, strict=True)
        )

    @property
    def files(self) -> tuple[bytes, ...]:
        """The content of its image files.

        Raises:
          UserError: missing or unreadable.
        """
        return tuple(map(self.read, range(len(self.sources))))

    @property
    def sha256(self) -> tuple[str, ...]:
        """Of every image file, and of the objects where the set has any.

        Raises:
          UserError: missing or unreadable.
        """
        hashes = [hashlib.sha256(self.read(m)).hexdigest() for m in range(len(self.sources))]
        if self.boxes is not None:
            hashes.append(hashlib.sha256(repr((self.boxes, self.labels)).encode()).hexdigest())
        return tuple(hashes)

    def read(self, index: int) -> bytes:
        """The content of one image file; see `files`."""
        source = self.sources[index]
        return source if isinstance(source, bytes) else read_bytes(source)


class Examples(Sequence[Example]):
    """Scenes by their position; of a subclass that has a name and an item for each.

    Attributes:
      names: of the scenes, without reading a file.
      roles: of their sources.
    """

    names: tuple[str, ...]
    roles: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


class FolderExamples(tuple[Example, ...]):
    """Scenes whose sources are image files, read when they are asked for; at least one scene."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scenes."""
        return tuple(example.name for example in self)

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of their sources."""
        return self[0].roles
