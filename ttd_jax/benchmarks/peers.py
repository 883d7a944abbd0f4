"""What timings are compared with: modules of this package that need packages of an extra."""

import importlib
import types

from ttd_jax.errors import explain_missing

PEERS = ("torch", "torch-compile")  # of the fusion networks: eager, and through `torch.compile`


def import_peer(name: str) -> types.ModuleType:
    """Imports a module of `ttd_jax.benchmarks` by its dotted name, such as 'twins.fusion'.

    Raises:
      UserError: something that it imports is not installed.
    """
    with explain_missing("the comparison", "benchmark"):
        return importlib.import_module(f"ttd_jax.benchmarks.{name}")
