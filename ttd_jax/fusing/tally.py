"""What is told of a sequence's frames, and of all of them together."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ttd_jax.fusing.frames import SequenceFrame

FLICKER = ("dominability", "luma")


def frame_record(job: Any, frame: SequenceFrame, result: Mapping[str, Any], name: str) -> dict:
    """The record of a frame, JSON-able.

    Args:
      job: a `ttd_jax.fusing.sequence.SequenceJob`.
      frame: the frame.
      result: of its fusion.
      name: of it.
    """
    motion, flicker = frame.motion, None
    if motion is not None and motion.mask.any():
        flicker = {one: round(float(result["flicker"][one]), 8) for one in FLICKER}
    return {
        "scene": name,
        "frame": frame.number,
        "time": float(job.pairing.times[frame.number]),
        "indices": [int(index) for index in job.pairing.indices[frame.number]],
        "cut": motion is not None and motion.cut,
        "flicker": flicker,
        "windows": result["windows"],
        "ranges": [p.scale and [p.scale.low, p.scale.high] for p in frame.pictures],
        **{
            share: [round(float(own), 6) for own in result[share]]
            for share in ("dominates", "mean_dominability")
        },
    }


class Tally:
    """Sums over the frames of a sequence."""

    def __init__(self):
        self._frames = self._cuts = self._measured = 0
        self._flicker = dict.fromkeys(FLICKER, 0.0)
        self._dominates = 0.0

    def add(self, record: Mapping) -> None:
        """Adds the record of a frame."""
        self._frames += 1
        self._cuts += bool(record.get("cut"))
        self._dominates = self._dominates + np.array(record["dominates"], np.float64)
        if record.get("flicker") is not None:
            self._measured += 1
            for name in FLICKER:
                self._flicker[name] += record["flicker"][name]

    def summary(self) -> dict:
        """JSON-able: `frames`, `dominates`, the mean share of the pixels that each stream does.

        Of steady frames `cuts` and `flicker`, the mean change of RD and of luma in [0, 1] along the
        motion from a frame to the next, cuts aside; None where nothing was measured.
        """
        frames = max(self._frames, 1)
        flicker = None
        if self._measured:
            flicker = {n: round(total / self._measured, 8) for n, total in self._flicker.items()}
        return {
            "frames": self._frames,
            "cuts": self._cuts,
            "flicker": flicker,
            "dominates": np.round(self._dominates / frames, 6).tolist() if self._frames else [],
        }
