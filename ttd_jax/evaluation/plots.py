"""Where the parts of a plot of per-image differences go, in the units of its SVG."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

WIDTH, HEIGHT = 320, 190
LEFT, RIGHT, TOP, BOTTOM = 54, 310, 10, 160
_DOTS = 150  # more could not be told apart
_TICKS = 4


@dataclasses.dataclass(frozen=True)
class Plot:
    """Differences in rising order, as dots over their rank.

    Attributes:
      dots: `(x, y, improved, name of the image, difference)`.
      ticks: `(y, difference)`.
      zero: y of no difference.
      median: y of the median.
      middle: the median itself.
      count: number of images; there is a dot for each, or for evenly spaced ranks.
    """

    dots: Sequence[tuple[float, float, bool, str, float]]
    ticks: Sequence[tuple[float, float]]
    zero: float
    median: float
    middle: float
    count: int


def plot_differences(differences: Mapping[str, float], gains: Mapping[str, float]) -> Plot:
    """Lays out the differences of a metric.

    Args:
      differences: image -> difference from static fusion; finite.
      gains: image -> the same of their merits, see `ttd_jax.Metric`.
    """
    ranked = sorted(differences.items(), key=lambda item: (item[1], item[0]))
    values = [value for _, value in ranked]
    low, high = min(0.0, *values), max(0.0, *values)
    if low == high:
        low, high = -1.0, 1.0
    margin = 0.06 * (high - low)
    low, high = low - margin, high + margin

    def y(value):
        return round(BOTTOM - (value - low) / (high - low) * (BOTTOM - TOP), 1)

    last = len(ranked) - 1
    dots = [
        (
            round(LEFT + 8 + (rank / last if last else 0.5) * (RIGHT - LEFT - 16), 1),
            y(ranked[rank][1]),
            gains[ranked[rank][0]] > 0,
            *ranked[rank],
        )
        for rank in spread(len(ranked), _DOTS)
    ]
    middle = float(np.median(values))
    ticks = [(y(tick), tick) for tick in round_ticks(low, high)]
    return Plot(dots, ticks, y(0.0), y(middle), middle, len(ranked))


def spread(length: int, count: int) -> list[int]:
    """Up to `count` of the numbers below `length`, evenly spaced, with the first and the last."""
    return sorted({round(i) for i in np.linspace(0, length - 1, min(count, length))})


def round_ticks(low: float, high: float) -> list[float]:
    """A few numbers between two others, at a step of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    digits = max(0, -math.floor(math.log10(step)))
    return [
        round(i * step, digits) for i in range(math.ceil(low / step), math.floor(high / step) + 1)
    ]
