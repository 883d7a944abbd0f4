"""List the metrics: what each measures, its direction and range; and what protocols make of them.

    ttd-jax metrics
    ttd-jax metrics --protocol=vifb

With --protocol, how that one defines each of its metrics, and the program that the figures are held
to.
"""

import dataclasses

from absl.flags import FlagValues

from ttd_jax.commands import common
from ttd_jax.metrics import METRICS, PROTOCOLS, scored
from ttd_jax.metrics.temporal import TEMPORAL
from ttd_jax.report.listing import list_metrics, list_protocol


def define_flags(values: FlagValues) -> None:
    """The flags of this command."""
    flag = common.Flags(values)
    flag.choice("protocol", "to tell of", PROTOCOLS)
    flag.json()


def run(values: FlagValues, arguments: list[str]) -> None:
    """Prints the registry, or a protocol."""
    common.only_flags(values, arguments)
    if values.protocol is None:
        found = {"protocols": {name: _told(name) for name in PROTOCOLS}, "metrics": {}}
        for metric in METRICS.values():
            found["metrics"][metric.name] = {**_known(metric), "range": metric.range}
        found["temporal"] = {metric.name: _known(metric) for metric in TEMPORAL.values()}
        common.tell(values, found, list_metrics())
    else:
        common.tell(values, _told(values.protocol), list_protocol(values.protocol))


def _known(metric):
    known = {f.name: getattr(metric, f.name) for f in dataclasses.fields(metric)}
    del known["function"]
    return known


def _told(protocol):
    rows = {
        name: {"definition": row.definition, "program": row.program}
        for name, row in scored(protocol).items()
    }
    asked = PROTOCOLS[protocol]
    return {"reference": asked.reference, "metrics": rows, "refused": dict(asked.refused)}
