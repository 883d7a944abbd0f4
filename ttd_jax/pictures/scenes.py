"""Scenes named on the command line: files of one, or folders matched by file name."""

import dataclasses
import pathlib
from collections.abc import Sequence

from ttd_jax.errors import UserError, some
from ttd_jax.pictures.examples import Example, FolderExamples
from ttd_jax.pictures.images import PLAIN_SUFFIXES, SUFFIXES, count_pages
from ttd_jax.places import place, resolved


def find_scenes(
    paths: Sequence[str],
    roles: Sequence[str] | None = None,
    *,
    least: int = 2,
    pages: str | None = None,
) -> FolderExamples:
    """The scenes that the arguments name: files of one scene, or folders matched by stem.

    Args:
      paths: files, or folders, in the order of their roles; on a disk or in an object store.
      roles: of the sources; `source_labels` by default.
      least: how many sources there must be.
      pages: of files with several pictures (TIFF, animations): 'first' or the number of one, from
        1; 'each': every page of the sources is a scene, NAME_page1 and on; 'sources': the pages of
        one file are the sources of its scene; None where every file holds one picture.

    Returns:
      Scenes sorted by name.

    Raises:
      UserError: fewer than `least`, an empty path, missing, files mixed with folders, an empty
        folder, a stem twice in one folder, stems that do not match between folders, or pages that
        are not there.
    """
    check_pages(pages)
    if not all(paths):  # as of a variable that is not set: it would be the folder where one stands
        raise UserError("the path of a source is empty: pass a file or a folder")
    found = [place(path) for path in paths]
    if pages == "sources":
        return _stacks(found, least)
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
    examples = (Example(name, roles, sources) for name, sources in scenes.items())
    if pages is not None:
        examples = [one for example in examples for one in _paged(example, pages)]
        names = [example.name for example in examples]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UserError(f"{some(twice)}: a page and a file have the same name: rename the file")
    return FolderExamples(examples)


def folders_of_equal_names(paths: Sequence[str]) -> list[str]:
    """The folders of files that have the same names in several folders; none for other files.

    A shell makes `v/1.png v/2.png i/1.png i/2.png` of `v/*.png i/*.png`: two scenes are meant.
    """
    stems = {}
    for path in map(place, paths):
        stems.setdefault(str(path.parent), set()).add(path.stem)
    alike = len(stems) > 1 and len(set(map(frozenset, stems.values()))) == 1
    return list(stems) if alike and len(paths) > len(stems) else []


def check_pages(pages: str | None) -> None:
    """Refuses what `find_scenes` does not know as `pages`.

    Raises:
      UserError: neither 'first', 'each', 'sources' nor a number from 1.
    """
    known = pages in (None, "first", "each", "sources")
    if not known and not (pages.isdecimal() and int(pages) > 0):
        raise UserError(f"pages={pages}: must be first, each, sources or a number from 1")


def _paged(example, pages):
    """The scenes that a scene's files hold."""
    counts = [count_pages(path) for path in example.sources]
    if pages != "each":
        page = 0 if pages == "first" else int(pages) - 1
        yield dataclasses.replace(example, pages=tuple(page if n > 1 else 0 for n in counts))
        return
    if len(set(counts)) > 1:
        raise UserError(
            f"{example.sources[0]} holds {counts[0]} pictures, the others of its scene "
            f"{', '.join(map(str, counts[1:]))}: --pages=each needs as many in each source"
        )
    for page in range(counts[0]):
        name = f"{example.name}_page{page + 1}" if counts[0] > 1 else example.name
        yield dataclasses.replace(example, name=name, pages=(page,) * len(counts))


def _stacks(paths, least):
    """Scenes whose sources are the pages of one file."""
    if not paths:
        raise UserError("fusion needs two or more sources, got none: name a file with pages")
    for path in paths:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder: check the path")
    files = {}
    for path in paths:
        for stem, file in (folder_images(path) if path.is_dir() else {path.stem: path}).items():
            if stem in files:
                raise UserError(f"{files[stem]} and {file} have the same stem: keep one of them")
            files[stem] = file
    counts = {file: count_pages(file) for file in files.values()}
    first = next(iter(counts.items()))
    for file, count in counts.items():
        if count < max(least, 2):
            raise UserError(f"{file}: holds one picture: --pages=sources needs two or more")
        if count != first[1]:
            raise UserError(
                f"{first[0]} holds {first[1]} pictures but {file} {count}: fuse files of as many"
            )
    pages = tuple(range(first[1]))
    roles = tuple(f"page{page + 1}" for page in pages)
    return FolderExamples(
        Example(stem, roles, (file,) * len(pages), pages=pages)
        for stem, file in sorted(files.items())
    )


def source_labels(paths: Sequence[str]) -> tuple[str, ...]:
    """A short, distinct name for each source: the first part of the paths that tells them apart.

    Example:
      >>> source_labels(["llvip/visible/test", "llvip/infrared/test"])
      ('visible', 'infrared')
    """
    parts = []
    for path in map(place, paths):
        own = place(resolved(path))  # which knows loops of links
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
    # A camera's RAW file beside its JPEG is the same picture: the plain one counts.
    files = sorted(folder.iterdir(), key=lambda path: (not _is_plain(path), path.name))
    for path in files:
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in images and not _is_plain(path):
            continue
        if path.stem in images:
            raise UserError(
                f"{folder}: {images[path.stem].name} and {path.name} have the same stem: "
                "keep one of them"
            )
        images[path.stem] = path
    if not images:
        raise UserError(f"{folder}: no images here: expected files named {', '.join(SUFFIXES)}")
    return dict(sorted(images.items()))


def _is_plain(path):
    return path.suffix.lower() in PLAIN_SUFFIXES


def _check_same(folder, images, other, others):
    missing = sorted(images.keys() - others.keys())
    if missing:
        raise UserError(
            f"{other}: {len(missing)} of {len(images)} names in {folder} have no match here "
            f"({some(missing)}): rename or remove them"
        )
