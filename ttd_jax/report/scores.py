"""How the name of a metric and estimates of its mean are written."""

import math
from collections.abc import Mapping

from ttd_jax.metrics import METRICS


def arrow(metric: str) -> str:
    """↑ where higher is better, ↓ where lower is."""
    return "↑" if METRICS[metric].better == "up" else "↓"


def heading(metric: str) -> str:
    """A metric's name with its arrow.

    Example:
      >>> heading("MSE")
      'MSE ↓'
    """
    return f"{metric} {arrow(metric)}"


def shown(value: float | None, form: str = ".4f") -> str:
    """A figure as it is written; n/a for what is no number.

    Example:
      >>> shown(6.5, "+.2f"), shown(float("nan"))
      ('+6.50', 'n/a')
    """
    return "n/a" if value is None or not math.isfinite(value) else f"{value:{form}}"


def interval(estimate: Mapping, sign: str = "") -> str:
    """The 95 % interval of a mean; nothing where there is none, as of one value.

    Args:
      estimate: with `low` and `high`, both None where there is none.
      sign: '+' for a difference.

    Example:
      >>> interval({"low": -0.5, "high": 1.0}, "+")
      '[-0.5000, +1.0000]'
      >>> interval({"low": None, "high": None})
      ''
    """
    if estimate["low"] is None:
        return ""
    return f"[{estimate['low']:{sign}.4f}, {estimate['high']:{sign}.4f}]"
