"""Named things of one kind that any package may add to: networks, metrics, loss maps, objectives.

A package announces a module by the entry-point group `ttd_jax.plugins`; importing that module
registers what it brings:

    [project.entry-points."ttd_jax.plugins"]
    my_fusion = "my_fusion.ttd_plugin"
"""

import difflib
import functools
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from typing import Generic, TypeVar

from ttd_jax.errors import UserError
from ttd_jax.version import __version__

GROUP = "ttd_jax.plugins"

Entry = TypeVar("Entry")


def unknown(name: str, known: Iterable[str], *, kind: str) -> UserError:
    """The error for an unknown name: suggests the nearest known one and lists them all.

    Args:
      name: what was asked for.
      known: names that would do.
      kind: what they are names of, in the singular: 'model'.
    """
    known = tuple(known)
    near = nearest(name, known)
    hint = f"did you mean {near!r}? " if near else ""
    return UserError(f"unknown {kind} {name!r}: {hint}known {kind}s: {', '.join(known)}")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is spelled most like `name`, whatever its case and dashes; or None."""
    folded = {_fold(other): other for other in known}
    near = difflib.get_close_matches(_fold(name), folded, n=1, cutoff=0.4)
    return folded[near[0]] if near else None


def _fold(name):
    return name.lower().replace("-", "_")


@functools.cache
def load_plugins() -> None:
    """Imports every module of the group `ttd_jax.plugins`, once.

    Raises:
      UserError: one of them cannot be imported.
    """
    for point in metadata.entry_points(group=GROUP):
        try:
            point.load()
        except Exception as error:  # whatever another package does while it is imported
            raise UserError(
                f"plug-in {point.name!r} ({point.value}) cannot be imported: "
                f"{type(error).__name__}: {error}: mend it, or uninstall its package"
            ) from error


def versions(*things: object) -> dict[str, str]:
    """Versions of this package and of the packages that define some classes or functions.

    Results that are kept hold them: those of another version are not gone on with.

    Args:
      *things: classes, functions or `functools.partial` of them.

    Example:
      >>> list(versions(versions))
      ['ttd-jax']
    """
    found = {"ttd-jax": __version__}
    for thing in things:
        thing = inspect.unwrap(thing.func if isinstance(thing, functools.partial) else thing)
        module = getattr(thing, "__module__", None) or type(thing).__module__
        package = module.partition(".")[0]
        if package != __name__.partition(".")[0]:
            found[package] = _version_of(package)
    return found


@functools.cache
def _version_of(package):
    names = metadata.packages_distributions().get(package)
    if names:
        return ", ".join(metadata.version(name) for name in sorted(set(names)))
    return str(getattr(sys.modules.get(package), "__version__", "unknown"))


class Registry(Mapping[str, Entry], Generic[Entry]):
    """Entries of one kind by name, in the order in which they were registered.

    Plug-ins are imported when a name is not known yet, and before all names are listed.

    Args:
      kind: what an entry is, in the singular: 'metric'.

    Example:
      >>> colors = Registry("color")
      >>> colors.register("red", 0xFF0000)
      >>> colors["red"] == 0xFF0000
      True
      >>> colors["rod"]
      Traceback (most recent call last):
      ...
      ttd_jax.errors.UserError: unknown color 'rod': did you mean 'red'? known colors: red
    """

    def __init__(self, kind: str):
        self._kind = kind
        self._entries: dict[str, Entry] = {}

    def register(self, name: str, entry: Entry) -> None:
        """Adds an entry.

        Raises:
          UserError: the name is taken.
        """
        if name in self._entries:
            raise UserError(f"the {self._kind} {name!r} is registered already: choose another name")
        self._entries[name] = entry

    def __getitem__(self, name: str) -> Entry:
        """The entry of a name.

        Raises:
          UserError: unknown; the nearest known name is suggested.
        """
        if name not in self:
            raise unknown(name, self._entries, kind=self._kind)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        if name not in self._entries:
            load_plugins()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        load_plugins()
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        load_plugins()
        return len(self._entries)
