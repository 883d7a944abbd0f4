"""What timings are compared with: modules of this package that need packages of an extra."""

import importlib

from ttd_jax.errors import UserError


def import_peer(name: str):
    """Imports a module of `ttd_jax.benchmarks` by its dotted name, such as 'twins.fusion'.

    Raises:
      UserError: something that it imports is not installed.
    """
    try:
        return importlib.import_module(f"ttd_jax.benchmarks.{name}")
    except ImportError as error:
        raise UserError(f"{error}: pip install 'ttd-jax[benchmark]'") from error
