"""List the metrics: what each measures, its direction, range, variants and tolerance.

ttd-jax metrics
"""

import dataclasses

from ttd_jax.commands import common
from ttd_jax.files import dumps
from ttd_jax.metrics import METRICS, PROTOCOLS
from ttd_jax.report.listing import list_metrics


def define_flags(values):
    """The flags of this command."""
    common.define_json(values)


def run(values, arguments):
    """Prints the registry."""
    common.reject_arguments(arguments)
    if not values.json:
        print(list_metrics())
        return
    found = {}
    for metric in METRICS.values():
        fields = {f.name: getattr(metric, f.name) for f in dataclasses.fields(metric)}
        del fields["function"]
        found[metric.name] = {**fields, "variants": dict(metric.variants), "range": metric.range}
    print(dumps({"protocols": PROTOCOLS, "metrics": found}), end="")
