"""--config=FILE:ARGUMENT and --config.FIELD=VALUE: a config file run, and its fields set.

ml_collections sets the fields. What is found and checked here first is told in one line: the file,
what it gives, and the name of every field.
"""

import ast
import contextlib
import inspect
import os
import pathlib
import re
import runpy
import sys
import traceback
from collections.abc import Sequence

import ttd_jax_configs
from absl import flags
from ml_collections import ConfigDict, FrozenConfigDict, config_dict, config_flags

from ttd_jax.errors import UserError
from ttd_jax.registry import nearest

_SHIPPED = pathlib.Path(ttd_jax_configs.__file__).parent
_FILE = re.compile(r"--?config(=.*)?", re.DOTALL)
_FIELD = re.compile(r"--?(?:no)?config\.([^=]*)(?:=.*)?", re.DOTALL)
_PART = re.compile(r"(?:^|\.)([^\W\d]\w*)|\[(\d+)\]")  # a name, or a number in brackets


class _TupleParser(flags.ArgumentParser):
    """Tuples as Python writes them, or names between commas as other flags take them."""

    syntactic_help = "names between commas, or a tuple such as ('a','b')"

    def parse(self, argument):
        if isinstance(argument, tuple):  # a default
            return argument
        try:
            value = ast.literal_eval(argument)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            if set(argument) & set("'\"()[]{}"):
                raise ValueError(f"write {self.syntactic_help}") from None
            return tuple(filter(None, map(str.strip, argument.split(","))))
        value = _as_tuples(value)
        return value if isinstance(value, tuple) else (value,)

    def flag_type(self):
        return "tuple"


def _as_tuples(value):
    if isinstance(value, dict):
        return ConfigDict(value)
    return tuple(map(_as_tuples, value)) if isinstance(value, (list, tuple)) else value


config_flags.register_flag_parser_for_type(tuple, _TupleParser())


def define(values: flags.FlagValues, file: str, meaning: str) -> None:
    """Defines --config, whose default is the file of that name that comes with the package."""
    text = f"{meaning}; FILE is run as Python; --config.FIELD=VALUE sets a field of what it gives"
    flags.DEFINE_string("config", str(_SHIPPED / file), text, flag_values=values)


def parse(values: flags.FlagValues, words: Sequence[str]) -> list[str]:
    """Parses the flags of a command; its config file is run, and the fields of that are set.

    Args:
      values: flags of the command; the value of --config becomes the `ConfigDict` that the file
        gives.
      words: the command's name and what follows it.

    Returns:
      The arguments that are no flags.

    Raises:
      UserError: no such file, one that is no config file, or a field that it has not.
      flags.Error: a flag that is unknown, or that has an unusable value.
    """
    place, words = _take_file(values["config"].default, words)
    config = _run(place)
    fields = [word for word in words if _FIELD.fullmatch(word)]
    for word in fields:
        _check_field(config, _FIELD.fullmatch(word)[1])
    del values.config  # the name of the file gives way to what it holds
    config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=fields)
    arguments = values(words)[1:]
    _expand(config)
    return arguments


def _take_file(place, words):
    """The value of --config, and the words without it."""
    rest, pending = [], iter(words)
    for word in pending:
        found = _FILE.fullmatch(word)
        if word == "--":
            rest += [word, *pending]
        elif not found:
            rest.append(word)
        elif found[1] is not None:
            place = found[1][1:]
        elif (place := next(pending, None)) is None:
            raise UserError("--config is missing its value: pass FILE or FILE:ARGUMENT")
    return place, rest


def _expand(config):
    """Expands '~' at the beginning of every text of a configuration."""
    for name in config:
        expanded = _expanded(config[name])
        if expanded != config[name]:
            config[name] = expanded


def _expanded(value):
    if isinstance(value, ConfigDict):
        _expand(value)
    elif isinstance(value, tuple):
        return tuple(map(_expanded, value))
    elif isinstance(value, str) and value.startswith("~"):
        return os.path.expanduser(value)
    return value


def _run(place):
    """What `get_config` of FILE or FILE:ARGUMENT gives."""
    file, colon, argument = place.partition(":")
    path = _find(file)
    with _told_by(path):
        get_config = runpy.run_path(str(path)).get("get_config")
    if not callable(get_config):
        raise UserError(f"{path}: no config file: it defines no get_config()")
    arguments = [argument] if colon else []
    try:
        inspect.signature(get_config).bind(*arguments)
    except TypeError:
        mend = "leave out what follows the colon" if colon else "pass FILE:ARGUMENT"
        raise UserError(f"--config={place}: {mend}") from None
    with _told_by(path):
        config = get_config(*arguments)
    if not isinstance(config, ConfigDict) or isinstance(config, FrozenConfigDict):
        kind = type(config).__name__
        raise UserError(f"{path}: get_config() gives {kind}: it must give a ConfigDict")
    return config


def _find(file):
    """The file, or the one of that name that comes with the package."""
    if not file:
        raise UserError("--config is empty: pass FILE or FILE:ARGUMENT")
    path = pathlib.Path(file).expanduser()
    shipped = _SHIPPED / path.name
    if path.is_dir():
        raise UserError(f"{path}: is a folder: pass a config file")
    if path.is_file():
        return path
    if str(path) in (path.name, f"configs/{path.name}") and shipped.is_file():
        return shipped
    known = sorted(place.name for place in _SHIPPED.glob("[!_]*.py"))
    raise UserError(f"{path}: no such config file: with the package come {', '.join(known)}")


@contextlib.contextmanager
def _told_by(path):
    """Tells in one line what goes wrong while a config file is run, and in which of its lines."""
    try:
        with contextlib.redirect_stdout(sys.stderr):  # standard output is the results'
            yield
    except UserError:
        raise
    except ValueError as error:  # of `get_config`, about its argument
        raise UserError(f"{path}: {error}") from error
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(path)]
        line = getattr(error, "lineno", None) or (lines[-1] if lines else None)
        where = f"{path}:{line}" if line else str(path)
        raise UserError(
            f"{where}: no config file that can be run: {type(error).__name__}: {error}"
        ) from error


def _check_field(config, words):
    """Refuses what is no field; new names of named values are made room for."""
    parts = _split(words)
    here, place = config, "config"
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        if isinstance(here, ConfigDict):
            if not isinstance(part, str):
                raise UserError(f"--config.{words}: {place} has named fields: {_known(here)}")
            if part not in here:
                if not (last and _holds_any_name(here)):
                    raise _unknown_field(part, here, place, words)
                with here.unlocked():
                    here[part] = config_dict.placeholder(object)
            here, place = here[part], f"{place}.{part}"
        elif isinstance(here, tuple) and any(isinstance(entry, ConfigDict) for entry in here):
            example = f"write --config.{place.removeprefix('config.')}[0]"
            if not isinstance(part, int):
                raise UserError(f"--config.{words}: {place} is a list: {example}.{part}")
            if part >= len(here):
                raise UserError(f"--config.{words}: {place} has {len(here)} entries: {example}")
            here, place = here[part], f"{place}[{part}]"
        else:
            raise UserError(
                f"--config.{words}: {place} is {here!r} and has no fields: set it as a whole, "
                f"--{place}=VALUE"
            )
    if isinstance(here, ConfigDict) and isinstance(parts[-1], int):
        raise UserError(f"--config.{words}: {place} has named fields: {_known(here)}")


def _split(words):
    """The names and numbers of a path such as 'phases[0].optimizer.learning_rate'."""
    parts, end = [], 0
    while end < len(words) and (found := _PART.match(words, end)):
        parts.append(found[1] or int(found[2]))
        end = found.end()
    if not parts or end < len(words):
        raise UserError(
            f"--config.{words}: no name of a field: write it as in --config.phases[0].steps=100"
        )
    return parts


def _holds_any_name(values):
    """Whether a dict names things of one kind, such as folders, rather than has set fields."""
    return len({type(value) for value in dict(values).values()}) <= 1


def _unknown_field(part, config, place, words):
    near = nearest(part, config)
    hint = f"did you mean {near!r}? " if near else ""
    return UserError(
        f"--config.{words}: {place} has no field {part!r}: {hint}known: {_known(config)}"
    )


def _known(config):
    return ", ".join(config)
