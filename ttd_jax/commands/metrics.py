"""List the metrics: what each measures, its direction, range, variants and tolerance.

ttd-jax metrics
"""

import dataclasses

from ttd_jax.commands import common
from ttd_jax.files import dumps
from ttd_jax.metrics import METRICS, PROTOCOLS, listing


def define_flags(values):
    """The flags of this command."""
    common.define_json(values)


def run(values, arguments):
    """Prints the registry."""
    common.reject_arguments(arguments)
    if not values.json:
        print(listing())
        return
    rows = {}
    for row in METRICS.values():
        fields = {f.name: getattr(row, f.name) for f in dataclasses.fields(row)}
        del fields["function"]
        rows[row.name] = {**fields, "variants": dict(row.variants), "range": row.range}
    print(dumps({"protocols": PROTOCOLS, "metrics": rows}), end="")
