"""Where a benchmark's files are: a layout finds, for every role, the file of each scene.

A layout has `places(split)`, one for each role, relative to the benchmark's root, for people; and
`files(root, split)`, one mapping for each role, scene -> file, or None where nothing is there.
"""

import dataclasses
import pathlib

from ttd_jax.errors import UserError
from ttd_jax.pictures.images import SUFFIXES
from ttd_jax.pictures.scenes import folder_images

Files = dict[str, pathlib.Path]


@dataclasses.dataclass(frozen=True)
class Folders:
    """A folder for each role; the files of a scene have one stem.

    Attributes:
      folders: relative to the root, `{split}` stands for the split's name.
    """

    folders: tuple[str, ...]

    def places(self, split: str) -> tuple[str, ...]:
        """The folders of a split."""
        return tuple(folder.format(split=split) for folder in self.folders)

    def files(self, root: pathlib.Path, split: str) -> list[Files | None]:
        """Stem -> file, for each role."""
        folders = [root / place for place in self.places(split)]
        return [folder_images(f) if f.is_dir() else None for f in folders]


@dataclasses.dataclass(frozen=True)
class Endings:
    """One folder for all; the stem of a file is its scene's name and an ending for its role.

    Attributes:
      folder: relative to the root.
      endings: of the stems, in the order of the roles, such as '-A'.
    """

    folder: str
    endings: tuple[str, ...]

    def places(self, split: str) -> tuple[str, ...]:
        """Patterns of file names."""
        return tuple(str(pathlib.PurePath(self.folder, f"*{e}.*")) for e in self.endings)

    def files(self, root: pathlib.Path, split: str) -> list[Files | None]:
        """Stem without its ending -> file, for each role."""
        found: list[Files] = [{} for _ in self.endings]
        for path in _images(root / self.folder):
            for files, ending in zip(found, self.endings, strict=True):
                if path.stem.endswith(ending):
                    _put(files, path.stem.removesuffix(ending), path)
        return [files or None for files in found]


@dataclasses.dataclass(frozen=True)
class SceneFolders:
    """A folder for each scene; endings of the stems tell the roles, in any case of letters.

    Other files in a scene's folder are ignored.

    Attributes:
      folder: of the scenes' folders, relative to the root.
      endings: of the stems, in the order of the roles, such as '_A'.
    """

    folder: str
    endings: tuple[str, ...]

    def places(self, split: str) -> tuple[str, ...]:
        """Patterns of file names."""
        return tuple(f"{self.folder}/<scene>/*{e}.*" for e in self.endings)

    def files(self, root: pathlib.Path, split: str) -> list[Files | None]:
        """Name of the scene's folder -> file, for each role."""
        found: list[Files] = [{} for _ in self.endings]
        parent = root / self.folder
        for scene in sorted(parent.iterdir()) if parent.is_dir() else ():
            for path in _images(scene):
                for files, ending in zip(found, self.endings, strict=True):
                    if path.stem.lower().endswith(ending.lower()):
                        _put(files, scene.name, path)
        return [files or None for files in found]


def _images(folder):
    if not folder.is_dir():
        return []
    paths = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in paths if path.suffix.lower() in SUFFIXES)


def _put(files, scene, path):
    if scene in files:
        raise UserError(
            f"{path.parent}: {files[scene].name} and {path.name} both claim one role of scene "
            f"{scene}: keep one of them"
        )
    files[scene] = path
