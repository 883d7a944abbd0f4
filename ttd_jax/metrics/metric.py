"""What is known of one metric."""

import dataclasses
import inspect
import math
import operator
from collections.abc import Callable
from typing import Any

import jax

from ttd_jax.errors import UserError, check_choice
from ttd_jax.registry import check_function

GROUPS = ("information", "gradient", "structure", "perception", "likeness", "others")
_MERITS = {"up": operator.pos, "down": operator.neg, "zero": lambda values: -abs(values)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric:
    """What is known of one metric.

    Attributes:
      name: its column in the tables.
      function: `(fused f32[H, W], sources f32[M, H, W]) -> f32 scalar`, in jax.numpy: the metric by
        its own definition. It may also take, by name, `extent` and `mask` (see `evaluate`), and
        `protocol`, the name of the protocol that asks.
      group: what kind of thing it looks at, one of `GROUPS`.
      better: 'up', 'down' or 'zero', where what is nearest to 0 is best.
      low, high: its limits (own definition).
      per_source: the limits are those of one source, to be multiplied by M.
      needs_sources: False if it looks at the fused image alone; `sources` may then be None.
      tolerance: largest relative difference from the same definition in float64.
      description: what it measures, in a line.
      definition: its own definition in a few words, where protocols have others.
      undefined: on which images it has no value and gives NaN; '' where it always has one.
      reference: where it was published.
    """

    name: str
    function: Callable[..., jax.Array]
    group: str = "others"
    better: str = "up"
    low: float = 0.0
    high: float
    per_source: bool = False
    needs_sources: bool = True
    tolerance: float = 1e-4
    description: str
    definition: str = ""
    undefined: str = ""
    reference: str

    def __post_init__(self) -> None:
        what = f"metric {self.name!r}"
        asks = ", *, protocol" if takes(self.function, "protocol") else ""
        check_function(what, self.function, f"(fused, sources{asks})")
        check_choice(f"{what}: better", self.better, _MERITS)
        check_choice(f"{what}: group", self.group, GROUPS)
        if not self.low < self.high:
            raise UserError(f"{what}: low={self.low} must be below high={self.high}")

    def merit(self, values: Any) -> Any:
        """Its figures, a number or an array, as numbers of which the larger is the better."""
        return _MERITS[self.better](values)

    @property
    def range(self) -> str:
        """The limits as text, such as '-M .. M'."""
        return f"{_limit(self.low, self.per_source)} .. {_limit(self.high, self.per_source)}"


def takes(function: Callable[..., jax.Array], keyword: str) -> bool:
    """Whether a metric's function has an optional argument: `extent`, `mask`, `protocol`."""
    try:
        return keyword in inspect.signature(function).parameters
    except (TypeError, ValueError):  # no function, or one that is compiled: nobody knows
        return False


def _limit(value, per_source):
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if not per_source or value == 0:
        return f"{value:g}"
    return {1.0: "M", -1.0: "-M"}.get(value, f"{value:.2f} M")
