"""Metrics of sequences: how steady a fused video is along its motion.

They take frames and the motion between them, measured by whoever asks, as arrays:

  flow: f32[H, W, 2], of one frame to another: for each pixel of the one how far (right, down), in
    pixels, its place in the other lies. See `ttd_jax.core.steadiness`.

Their figures depend on how the motion was measured. VF-Bench measures it by RAFT: figures with
another flow compare with each other, not with the tables of its paper.
"""

import dataclasses
from collections.abc import Callable

import jax

from ttd_jax.metrics.temporal.smoothness import ms2r
from ttd_jax.metrics.temporal.warping import biswe, flicker

__all__ = ["TEMPORAL", "TemporalMetric", "biswe", "flicker", "ms2r"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TemporalMetric:
    """What is known of a metric of sequences; of all of them less is better, and 0 the least.

    Attributes:
      name: its column in the tables.
      function: gives f32 scalars; what it takes is its own.
      description: what it measures, in a line.
      definition: its definition in a few words.
      reference: where it was published.
    """

    name: str
    function: Callable[..., jax.Array]
    description: str
    definition: str
    reference: str


_VF_BENCH = "Zhao et al., VF-Bench, NeurIPS 2025"

TEMPORAL = {
    metric.name: metric
    for metric in (
        TemporalMetric(
            name="Flicker",
            function=flicker,
            description="change from frame to frame along the motion",
            definition="mean |frame - previous frame carried along the flow| where it is reliable",
            reference="a warping error; Lai et al., ECCV 2018, eq. 8-10, squared there",
        ),
        TemporalMetric(
            name="BiSWE",
            function=biswe,
            description="change to both neighbors along the fused video's own motion",
            definition="mean |frame - neighbor carried|, where every source's flow returns, summed",
            reference=_VF_BENCH,
        ),
        TemporalMetric(
            name="MS2R",
            function=ms2r,
            description="acceleration of the fused video that the sources' have not",
            definition="mean |change of the fused flow - change of a source's flow|, in pixels",
            reference=_VF_BENCH,
        ),
    )
}
