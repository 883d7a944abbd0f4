"""Named things of one kind that any package may add to: networks, metrics, loss maps, objectives.

A package announces a module by the entry-point group `ttd_jax.plugins`; importing that module
registers what it brings:

    [project.entry-points."ttd_jax.plugins"]
    my_fusion = "my_fusion.ttd_plugin"
"""

import contextlib
import difflib
import functools
import inspect
import pathlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from typing import Generic, NamedTuple, TypeVar

from ttd_jax.errors import UserError, one_line
from ttd_jax.version import __version__

GROUP = "ttd_jax.plugins"
_NAME = re.compile(r"\w[\w.-]*")
_OWN = __name__.partition(".")[0]

Entry = TypeVar("Entry")


def unknown(
    name: object,
    known: Iterable[str],
    *,
    kind: str,
    of: str = "",
    plugins: bool = False,
) -> UserError:
    """The error for an unknown name: suggests the nearest known one and lists them all.

    Args:
      name: what was asked for.
      known: names that would do.
      kind: what they are names of, in the singular: 'model'.
      of: whose they are, such as a network's name.
      plugins: whether a plug-in might have brought it: those that could not be loaded are told.
    """
    known = tuple(known)
    near = nearest(name, known)
    hint = f"did you mean {near!r}? " if near else ""
    broken = left_out() if plugins else ""
    whose, many = f" of {of}" if of else "", f"{kind[:-1]}ies" if kind[-1] == "y" else f"{kind}s"
    return UserError(
        f"unknown {kind}{whose} {name!r}: {hint}known {many}: {', '.join(known)}{broken}"
    )


def left_out() -> str:
    """The end of a message that somebody's plug-in might have spared: those that are left out."""
    return "".join(f"; {broken}" for broken in _broken)


def nearest(name: object, known: Iterable[str]) -> str | None:
    """The known name that is spelled most like `name`, whatever its case and dashes; or None."""
    folded = {_fold(other): other for other in known}
    near = difflib.get_close_matches(_fold(str(name)), folded, n=1, cutoff=0.4)
    return folded[near[0]] if near else None


def _fold(name):
    return name.lower().replace("-", "_")


def check_name(name: object, kind: str, *, reserved: Iterable[str] = ()) -> None:
    """Refuses what no command line, file name or table could hold.

    Args:
      name: letters, digits, '_', '-' and '.'; the first is a letter, a digit or '_'.
      kind: what it is to name, in the singular.
      reserved: words that mean something else, in any case.

    Raises:
      UserError: for another name.

    Example:
      >>> check_name("a,b", "metric")
      Traceback (most recent call last):
      ...
      ttd_jax.errors.UserError: a metric cannot be named 'a,b': take letters, digits, '_', '-', '.'
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(f"a {kind} cannot be named {name!r}: take letters, digits, '_', '-', '.'")
    if name.lower() in reserved:
        raise UserError(f"a {kind} cannot be named {name!r}: that has a meaning: take another name")


def check_function(what: str, function: object, signature: str) -> None:
    """Refuses what cannot be called as a plug-in's function is.

    Args:
      what: whose it is: "metric 'EOL'".
      function: that is to be registered.
      signature: what it must take: '(fused, sources, *, protocol)'; positions, then names.

    Raises:
      UserError: no function, or one that takes something else.
    """
    if not callable(function):
        raise UserError(f"{what} needs a function {signature}, got {function!r}")
    positions, _, names = signature.strip("()").partition(", *, ")
    try:
        found = inspect.signature(function)
    except ValueError:  # of some that are compiled nobody knows
        return
    try:
        found.bind(*positions.split(", "), **dict.fromkeys(filter(None, names.split(", "))))
    except TypeError as error:
        raise UserError(f"{what}: its function must take {signature}, not {found}") from error


# Plug-ins -------------------------------------------------------------------------------------

_pending: list[metadata.EntryPoint] | None = None  # None until they are looked for
_broken: list[str] = []
_loading: list[metadata.EntryPoint] = []
_registries: list["Registry"] = []


def load_plugins() -> None:
    """Imports every module of the group `ttd_jax.plugins`, once.

    One that needs what another brings gets it, in whatever order they are installed. What cannot
    be imported is told by a line on stderr; nothing of it stays registered, and all else works.
    What one prints goes there, too: standard output is the results'.
    """
    global _pending
    if _pending is None:
        found = metadata.entry_points(group=GROUP)
        _pending = sorted(found, key=lambda point: (_package(point), point.name))
    # A plug-in that asks for an unknown name while it is imported comes here, too.
    while _pending:
        _load(_pending.pop(0))


def _load(point):
    before = {id(registry): registry.state() for registry in _registries}
    _loading.append(point)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            point.load()
    except (Exception, SystemExit) as error:  # whatever another package does while it is imported
        for registry in _registries:
            registry.take_back(point.module, before.get(id(registry), ({}, {})))
        reason = str(error) if isinstance(error, UserError) else one_line(error)
        broken = (
            f"plug-in {point.name!r} ({point.value}) of {_package(point)} is left out: {reason}"
        )
        _broken.append(broken)
        print(f"ttd-jax: {broken}: mend it, or uninstall its package", file=sys.stderr)
    finally:
        _loading.pop()


def _package(point):
    return point.dist.name if point.dist else "an unknown package"


# Registries -----------------------------------------------------------------------------------


class _Origin(NamedTuple):
    """What registered an entry: a module, and what it called it there."""

    module: str
    name: str

    @property
    def own(self):
        return self.module.partition(".")[0] == _OWN

    def same(self, other):
        """Whether it is the same code, run again or from its source beside an installed copy."""
        if self.name != other.name or self.module == other.module:
            return self.name == other.name
        script = "__main__" in (self.module, other.module)
        return script and _stem(self.module) == _stem(other.module)


def _stem(module):
    """The last part of a module's name; of a script, that of its file."""
    if module != "__main__":
        return module.rpartition(".")[2]
    main = sys.modules["__main__"]
    if getattr(main, "__spec__", None) is not None:  # python -m
        return main.__spec__.name.rpartition(".")[2]
    return pathlib.Path(getattr(main, "__file__", None) or "__main__").stem


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

    Plug-ins are imported when a name is not known yet, and before all names are listed. No two
    names differ in their case only.

    Args:
      kind: what an entry is, in the singular: 'metric'.
      reserved: names that no entry may have.
      replaced: called when an entry was replaced: compiled programs may still hold the old one.

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

    def __init__(
        self,
        kind: str,
        *,
        reserved: Iterable[str] = (),
        replaced: Callable[[], object] = lambda: None,
    ):
        self._kind, self._reserved, self._replaced = kind, tuple(reserved), replaced
        self._entries: dict[str, Entry] = {}
        self._origins: dict[str, _Origin] = {}
        _registries.append(self)

    def register(self, name: str, entry: Entry, *, code: object = None) -> None:
        """Adds an entry; called by the function that a module calls to register something.

        What the same module registered with the same class or function before is replaced: a
        notebook's cell may run again. An installed plug-in leaves alone what a script that holds
        the same code has registered already.

        Args:
          name: see `check_name`.
          entry: what it names.
          code: the class or function that is at its heart.

        Raises:
          UserError: no name, or one that is taken, in whatever case.
        """
        check_name(name, self._kind, reserved=self._reserved)
        module = sys._getframe(2).f_globals.get("__name__", "__main__")
        code = getattr(code, "func", code)  # of a partial function
        origin = _Origin(module, getattr(code, "__qualname__", type(code).__qualname__))
        taken = next((other for other in self._entries if other.lower() == name.lower()), None)
        if taken is not None:
            before = self._origins[taken]
            if taken != name or before.own or not before.same(origin):
                raise UserError(
                    f"the {self._kind} {taken!r} is registered already, by {before.module}: choose "
                    f"another name than {name!r}"
                )
            if _loading and before.module == "__main__":
                return
        self._entries[name], self._origins[name] = entry, origin
        if taken is not None:
            self._replaced()

    def own(self) -> tuple[str, ...]:
        """The names of what comes with this package."""
        return tuple(name for name, origin in self._origins.items() if origin.own)

    def __getitem__(self, name: str) -> Entry:
        """The entry of a name.

        Raises:
          UserError: unknown; the nearest known name is suggested.
        """
        if name not in self:
            raise unknown(name, self._entries, kind=self._kind, plugins=True)
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

    def state(self) -> tuple[dict, dict]:
        """What is registered, for `take_back`."""
        return dict(self._entries), dict(self._origins)

    def take_back(self, module: str, before: tuple[dict, dict]) -> None:
        """Forgets what a module, or one beside it, registered since that state."""
        package = module.partition(".")[0]
        for name in [n for n, o in self._origins.items() if o.module.partition(".")[0] == package]:
            for now, then in zip((self._entries, self._origins), before, strict=True):
                if name in then:
                    now[name] = then[name]
                else:
                    del now[name]
