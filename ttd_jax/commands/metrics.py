"""List the metrics: what each measures, its direction, range, variants and tolerance.

ttd-jax metrics
"""

import dataclasses

from absl.flags import FlagValues

from ttd_jax.commands import common
from ttd_jax.metrics import METRICS, PROTOCOLS
from ttd_jax.report.listing import list_metrics


def define_flags(values: FlagValues) -> None:
    """The flags of this command."""
    common.Flags(values).json()


def run(values: FlagValues, arguments: list[str]) -> None:
    """Prints the registry."""
    common.only_flags(values, arguments)
    found = {}
    for metric in METRICS.values():
        fields = {f.name: getattr(metric, f.name) for f in dataclasses.fields(metric)}
        del fields["function"]
        found[metric.name] = {**fields, "variants": dict(metric.variants), "range": metric.range}
    common.tell(values, {"protocols": PROTOCOLS, "metrics": found}, list_metrics())
