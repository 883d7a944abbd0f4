"""Scenes: aligned images of one view, named on the command line or matched between folders."""

import dataclasses
import pathlib
from collections.abc import Sequence

from ttd_jax.errors import UserError
from ttd_jax.pictures.images import SUFFIXES


@dataclasses.dataclass(frozen=True)
class Scene:
    """One scene: its name and the files of its sources, in the order of their roles."""

    name: str
    sources: tuple[pathlib.Path, ...]


def find_scenes(paths: Sequence[str], *, least: int = 2) -> list[Scene]:
    """The scenes that the arguments name: files of one scene, or folders matched by stem.

    Args:
      paths: files, or folders, in the order of their roles.
      least: how many there must be.

    Returns:
      Scenes sorted by name.

    Raises:
      UserError: fewer than `least`, missing, files mixed with folders, an empty folder, a stem
        twice in one folder, or stems that do not match between folders.
    """
    found = [pathlib.Path(p) for p in paths]
    if len(found) < least:
        given = f"got only {found[0]}" if found else "got none"
        raise UserError(f"fusion needs two or more sources, {given}: name the sources in order")
    for path in found:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder: check the path")
    folders = [path.is_dir() for path in found]
    if all(folders):
        return _match(found)
    if any(folders):
        folder = found[folders.index(True)]
        raise UserError(f"{folder}: is a folder among files: pass only files or only folders")
    return [Scene(found[0].stem, tuple(found))]


def source_labels(paths: Sequence[str]) -> tuple[str, ...]:
    """A short, distinct name for each source: the first part of the paths that tells them apart.

    Example:
      >>> source_labels(["llvip/visible/test", "llvip/infrared/test"])
      ('visible', 'infrared')
    """
    parts = []
    for path in map(pathlib.Path, paths):
        own = path.resolve()
        parts.append([own.name if path.is_dir() else own.stem, *(p.name for p in own.parents)])
    for level in zip(*parts, strict=False):
        if all(level) and len(set(level)) == len(level):
            return level
    return tuple(f"source{i + 1}" for i in range(len(parts)))


def _match(folders):
    by_stem = [folder_images(folder) for folder in folders]
    first = by_stem[0]
    for folder, images in zip(folders[1:], by_stem[1:], strict=True):
        _check_same(folders[0], first, folder, images)
        _check_same(folder, images, folders[0], first)
    return [Scene(stem, tuple(images[stem] for images in by_stem)) for stem in sorted(first)]


def folder_images(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """The images directly in a folder: stem -> path, sorted by name.

    Raises:
      UserError: a stem twice, or no images.
    """
    images = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in images:
            raise UserError(
                f"{folder}: {images[path.stem].name} and {path.name} have the same stem: "
                "keep one of them"
            )
        images[path.stem] = path
    if not images:
        raise UserError(f"{folder}: no images here: expected files named {', '.join(SUFFIXES)}")
    return images


def _check_same(folder, images, other, others):
    missing = sorted(images.keys() - others.keys())
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise UserError(
            f"{other}: {len(missing)} of {len(images)} names in {folder} have no match here "
            f"({shown}): rename or remove them"
        )
