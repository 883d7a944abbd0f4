"""The metrics by name. Adding one is a function and an entry in its group's folder.

A plug-in calls `register_metric`.
"""

import jax

from ttd_jax.errors import UserError
from ttd_jax.metrics import gradient, information, likeness, perception, structure
from ttd_jax.metrics.metric import Metric
from ttd_jax.registry import Registry

EVERY, FIFTEEN = "all", "core"

# Those that papers on fusion report most: what is scored where nothing else is asked for.
CORE = ("EN", "SD", "AG", "EI", "SF", "SCD", "CE", "SSIM", "MI", "NMI", "VIF", "Qabf")
CORE += ("CC", "MSE", "PSNR")

METRICS: Registry[Metric] = Registry("metric", reserved=(EVERY, FIFTEEN), replaced=jax.clear_caches)


def register_metric(metric: Metric) -> None:
    """Makes a metric known by its name: to `evaluate`, and to every command that scores.

    Args:
      metric: what is known of it.

    Raises:
      UserError: it is no `Metric`, or its name is none or taken, in whatever case.
    """
    if not isinstance(metric, Metric):
        raise UserError(f"register_metric takes a ttd_jax.Metric, got {metric!r}")
    METRICS.register(metric.name, metric, code=metric.function)


def _register_own():
    groups = (information, gradient, structure, perception, likeness)
    entries = {entry.name: entry for group in groups for entry in group.ENTRIES}
    for name in dict.fromkeys((*CORE, *entries)):
        register_metric(entries[name])


_register_own()


def lookup(name: str) -> Metric:
    """The metric of a name, in any case.

    Raises:
      UserError: for an unknown name; the message suggests the nearest known one.
    """
    return METRICS[{key.lower(): key for key in METRICS}.get(str(name).lower(), name)]
