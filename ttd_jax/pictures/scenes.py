"""Scenes named on the command line: files of one, or folders matched by file name."""

import pathlib
from collections.abc import Sequence

from ttd_jax.errors import UserError, some
from ttd_jax.pictures.examples import Example, FolderExamples
from ttd_jax.pictures.images import SUFFIXES


def find_scenes(
    paths: Sequence[str], roles: Sequence[str] | None = None, *, least: int = 2
) -> FolderExamples:
    """The scenes that the arguments name: files of one scene, or folders matched by stem.

    Args:
      paths: files, or folders, in the order of their roles.
      roles: of the sources; `source_labels` by default.
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
        scenes = _match(found)
    elif any(folders):
        folder = found[folders.index(True)]
        raise UserError(f"{folder}: is a folder among files: pass only files or only folders")
    else:
        scenes = {found[0].stem: tuple(found)}
    roles = tuple(roles or source_labels(paths))
    return FolderExamples(Example(name, roles, sources) for name, sources in scenes.items())


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
    return {stem: tuple(images[stem] for images in by_stem) for stem in sorted(first)}


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
        raise UserError(
            f"{other}: {len(missing)} of {len(images)} names in {folder} have no match here "
            f"({some(missing)}): rename or remove them"
        )
