"""The named protocols: what each scores, by which definitions, and what is scored by default.

A table of figures always names its protocol: figures of two cannot be compared.
"""

import functools
from collections.abc import Iterable

from ttd_jax.errors import UserError
from ttd_jax.metrics.metric import takes
from ttd_jax.metrics.protocols.ivif_zoo import IVIF_ZOO
from ttd_jax.metrics.protocols.liu import LIU
from ttd_jax.metrics.protocols.mefb import MEFB
from ttd_jax.metrics.protocols.paper import PAPER
from ttd_jax.metrics.protocols.protocol import Protocol, Row
from ttd_jax.metrics.protocols.tang import TANG
from ttd_jax.metrics.protocols.vifb import VIFB
from ttd_jax.metrics.registry import CORE, EVERY, FIFTEEN, METRICS, lookup
from ttd_jax.registry import unknown

PROTOCOLS = {one.name: one for one in (PAPER, VIFB, MEFB, TANG, IVIF_ZOO, LIU)}


def find(protocol: str) -> Protocol:
    """The protocol of a name.

    Raises:
      UserError: an unknown one.
    """
    if protocol not in PROTOCOLS:
        raise unknown(protocol, PROTOCOLS, kind="protocol")
    return PROTOCOLS[protocol]


def scored(protocol: str) -> dict[str, Row]:
    """What a protocol scores: metric name -> how, in the order of the registry.

    Metrics of plug-ins are in every protocol, by their own definitions.

    Raises:
      UserError: an unknown protocol.
    """
    asked = find(protocol)
    rows, own = {row.name: row for row in asked.rows}, METRICS.own()
    found = {}
    for name, metric in METRICS.items():
        if name in rows:
            found[name] = rows[name]
        elif name in asked.refused:
            continue
        elif name not in own and takes(metric.function, "protocol"):
            function = functools.partial(metric.function, protocol=protocol)
            found[name] = Row(name, function, metric.definition)
        elif asked.own or name not in own:
            found[name] = Row(name, metric.function, metric.definition)
    return found


def choose(names: Iterable[str] | None = None, protocol: str = "paper") -> tuple[str, ...]:
    """The metrics that are meant, each once.

    Args:
      names: in any case; 'core' among them for the fifteen that papers report most, as far as the
        protocol has them, and 'all' for all that it has, with those of plug-ins. By default, and
        for none, 'core': a plug-in that is installed changes no results.
      protocol: that they are scored by.

    Raises:
      UserError: an unknown name, one that the protocol does not have, and a text in place of names.
    """
    if isinstance(names, str):
        raise UserError(f"metrics are named one by one: pass [{names!r}], not {names!r}")
    rows, refused, found = scored(protocol), find(protocol).refused, []
    for name in names or (FIFTEEN,):
        if name == EVERY:
            found += rows
        elif name == FIFTEEN:
            found += (one for one in CORE if one in rows)
        elif (known := lookup(name).name) in rows:
            found.append(known)
        else:
            why = refused.get(known) or f"it has {', '.join(rows)}"
            raise UserError(f"protocol {protocol} does not score {known}: {why}")
    return tuple(dict.fromkeys(found))


def lacking(names: Iterable[str], keyword: str, protocol: str = "paper") -> list[str]:
    """Those of the metrics whose function does not take `extent`, or `mask`."""
    rows = scored(protocol)
    return [name for name in names if not takes(rows[lookup(name).name].function, keyword)]
