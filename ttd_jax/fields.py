"""What the fields of a configuration must be, checked in one place before anything is done.

A demand is a function of a value: None if it is met, else what the value must be, in words.
"""

import math
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ttd_jax.errors import UserError
from ttd_jax.registry import nearest

Demand = Callable[[Any], str | None]

_MOST = 2**31 - 1  # of JAX's integers


def check_fields(config: Mapping, demands: Mapping[str, Demand], *, name: str = "config") -> None:
    """Checks that a configuration has all fields that are read, and that their values can be used.

    Args:
      config: of fields.
      demands: field -> what it must be.
      name: what the configuration is called; empty if that is told already.

    Raises:
      UserError: it names the field, its value and what it must be.

    Example:
      >>> check_fields({"crop": -1}, {"crop": whole(least=0)})
      Traceback (most recent call last):
      ...
      ttd_jax.errors.UserError: config.crop=-1: must be a whole number, 0 or more
    """
    missing = [field for field in demands if field not in config]
    if missing:
        raise UserError(
            f"{name or 'it'} has no field {missing[0]!r}: pass a config file of this command, with "
            f"all of its fields: {', '.join(demands)}"
        )
    for field, demand in demands.items():
        wanted = demand(config[field])
        if wanted:
            place = f"{name}.{field}" if name else field
            raise UserError(f"{place}={_shown(config[field])}: must be {wanted}")


def _shown(value):
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def text(value: Any) -> str | None:
    """The demand for a text, which may be empty."""
    return None if isinstance(value, str) else "a text"


def flag(value: Any) -> str | None:
    """The demand for True or False."""
    return None if isinstance(value, bool) else "True or False"


def whole(*, least: int = 0, most: int = _MOST) -> Demand:
    """The demand for an integer in a range.

    Example:
      >>> whole(least=1)(2.5)
      'a whole number, 1 or more'
    """

    def demand(value):
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return None
        above = most != _MOST or (isinstance(value, int) and value > most)
        return f"a whole number, {f'{least} to {most}' if above else f'{least} or more'}"

    return demand


def number(*, least: float = -math.inf, most: float = math.inf) -> Demand:
    """The demand for a finite number in a range.

    Example:
      >>> number(least=0, most=1)(float("nan"))
      'a number from 0 to 1'
    """
    limits = {
        (False, False): "",
        (True, False): f", {least} or more",
        (False, True): f", {most} or less",
        (True, True): f" from {least} to {most}",
    }

    def demand(value):
        plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        # A whole number may be larger than any float.
        if plain and abs(value) <= 1e300 and least <= value <= most:
            return None
        return f"a number{limits[math.isfinite(least), math.isfinite(most)]}"

    return demand


def one_of(known: Collection[str]) -> Demand:
    """The demand for one of a few words; a nearly right one is told.

    Example:
      >>> one_of(("gray", "rgb"))("grey")
      "one of gray, rgb: did you mean 'gray'?"
    """

    def demand(value):
        if isinstance(value, str) and value in known:
            return None
        near = nearest(value, known) if isinstance(value, str) else None
        return f"one of {', '.join(known)}" + (f": did you mean {near!r}?" if near else "")

    return demand


def several(one: Demand, what: str, *, least: int = 0) -> Demand:
    """The demand for a tuple each entry of which meets another demand.

    Args:
      one: of an entry.
      what: the entries are, in the plural.
      least: how many there must be.

    Example:
      >>> several(text, "names", least=1)(())
      "names, at least 1, such as ('a','b')"
    """

    def demand(value):
        # Lists as well: what was JSON in between has no tuples.
        if isinstance(value, (tuple, list)) and len(value) >= least and not any(map(one, value)):
            return None
        return f"{what}, at least {least}, such as ('a','b')" if least else what

    return demand


def names(*, least: int = 0) -> Demand:
    """The demand for a tuple of names, each once, none empty or with control characters.

    Example:
      >>> names()(("llvip", "llvip"))
      'names, none of them twice'
    """

    def name(value):
        return None if not text(value) and value and value.isprintable() else "a name"

    each = several(name, "names", least=least)

    def demand(value):
        twice = not each(value) and len(set(value)) < len(value)
        return "names, none of them twice" if twice else each(value)

    return demand


def numbers(**limits: float) -> Demand:
    """The demand for a tuple of numbers, at least one; see `number`."""
    one = number(**limits)
    return several(one, f"numbers, each {one(None)}", least=1)


def folders(value: Any) -> str | None:
    """The demand for a tuple of folders, or of tuples of folders: one for each data set."""

    def path(value):
        return None if not text(value) and value and "\0" not in value else "a path"

    one = several(path, "paths", least=1)
    if not one(value) or not several(one, "folders")(value):
        return None
    return "folders, as ('a','b'), or one such tuple for each data set"


def mapping(one: Demand | None = None) -> Demand:
    """The demand for named values, each of which meets a demand."""

    def demand(value):
        if not isinstance(value, Mapping) and not hasattr(value, "items"):
            return "named values, as {'name': value}"
        wrong = [name for name, entry in value.items() if one is not None and one(entry)]
        return f"named values: {wrong[0]} must be {one(value[wrong[0]])}" if wrong else None

    return demand


def by_type(hint: Any) -> Demand:
    """The demand that the annotation of a dataclass's field makes; none where it tells little.

    Example:
      >>> by_type(tuple[float, float])((1.0, "2"))
      'numbers'
      >>> by_type(int | None)(None)
    """
    plain = {str: text, bool: flag, float: number(), int: whole(least=-_MOST)}
    if hint in plain:
        return plain[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        demands = [by_type(part) for part in arguments if part is not types.NoneType]
        return lambda value: None if value is None else demands[0](value)
    if origin is tuple:
        return several(by_type(arguments[0]), f"{_PLURAL.get(arguments[0], 'values')}")
    if origin is Mapping:
        return mapping(by_type(arguments[1]))
    return lambda value: None


_PLURAL = {str: "names", float: "numbers", int: "whole numbers"}
