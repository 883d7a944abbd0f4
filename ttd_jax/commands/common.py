"""Flags and checks that several commands share."""

import os
import pathlib

from absl import flags

from ttd_jax.backbones import REGISTRY, NetworkRow, lookup
from ttd_jax.errors import UserError


def define_model(values, rows=REGISTRY):
    """--model, one of the fusion networks unless other rows are given."""
    flags.DEFINE_string("model", None, f"one of: {', '.join(rows)}", flag_values=values)


def define_json(values):
    """--json."""
    flags.DEFINE_bool("json", False, "print the result as JSON on stdout", flag_values=values)


def require(values, *names):
    """Raises `UserError` for the first flag that was not given."""
    for name in names:
        if values[name].value is None:
            raise UserError(f"--{name} is missing: {values[name].help}")


def row_of(name: str, rows=REGISTRY) -> NetworkRow:
    """The row of `rows`; `UserError` with the nearest name for an unknown one."""
    try:
        return lookup(name, rows)
    except ValueError as error:
        raise UserError(str(error)) from error


def reject_arguments(arguments):
    """Raises `UserError` if the command got arguments that it does not take."""
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}: this command takes only flags")


def use_compilation_cache():
    """Keeps compiled programs between runs, in `JAX_COMPILATION_CACHE_DIR` or the user's cache."""
    import jax

    if jax.config.jax_compilation_cache_dir is None:
        root = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        jax.config.update("jax_compilation_cache_dir", str(pathlib.Path(root) / "ttd_jax" / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
