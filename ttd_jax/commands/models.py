"""List the fusion networks: tasks, sources, channels, presets, license and paper of each.

ttd-jax models

What plug-ins register is listed as well. A preset is a value of --dominability.
"""

import dataclasses

from absl.flags import FlagValues

from ttd_jax.commands import common
from ttd_jax.networks import lookup, networks
from ttd_jax.report.listing import list_networks


def define_flags(values: FlagValues) -> None:
    """The flags of this command."""
    common.Flags(values).json()


def run(values: FlagValues, arguments: list[str]) -> None:
    """Prints the registry."""
    common.only_flags(values, arguments)
    common.tell(values, {name: _record(lookup(name)) for name in networks()}, list_networks())


def _record(spec):
    names = ("tasks", "source_count", "channels", "min_size", "default_preset")
    fields = {name: getattr(spec, name) for name in (*names, "license", "paper", "note")}
    presets = {name: dataclasses.asdict(settings) for name, settings in spec.presets.items()}
    return {**fields, "presets": presets}
