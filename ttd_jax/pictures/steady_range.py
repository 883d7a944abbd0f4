"""What becomes 0 and 1 in the frames of a sequence, without flicker.

A frame's own least and largest value, or percentiles, change with its noise and with what moves
into the picture, and the whole picture with them: so they are followed slowly.
"""

import math

import numpy as np

from ttd_jax.pictures.ranges import Range

SECONDS = 1.0  # in which the bounds come so near a new scene's that 1 / e of the way is left


class SteadyRange:
    """Bounds that follow those of each frame: b_t = k b_{t-1} + (1 - k) own_t.

    Args:
      chosen: what becomes black and white; only 'data' and 'percentile' change with the frames.
      rate: frames a second.

    Attributes:
      bounds: of the last frame, `(low, high)`; None before the first one and after `reset`. To be
        kept, and set, by who goes on with a run.

    Example:
      >>> steady = SteadyRange(Range("data"), rate=1)
      >>> str(steady.follow(np.array([0.0, 10.0]))), str(steady.follow(np.array([0.0, 10.0])))
      ('0,10', '0,10')
    """

    def __init__(self, chosen: Range, *, rate: float):
        self._chosen = chosen
        self._kept = math.exp(-1 / (rate * SECONDS))
        self.bounds = None

    def follow(self, stored: np.ndarray) -> Range:
        """The range of the next frame, from its stored values."""
        if self._chosen.kind not in ("data", "percentile"):
            return self._chosen
        own = self._chosen.bounds(stored)
        if self.bounds is not None and np.isfinite(own).all():
            pairs = zip(self.bounds, own, strict=True)
            own = tuple(self._kept * before + (1 - self._kept) * now for before, now in pairs)
        self.bounds = own
        return Range("values", *own)

    def reset(self) -> None:
        """Begins anew, as at a cut."""
        self.bounds = None
