"""The protocol mefb."""

from ttd_jax.metrics.color import red_of_gray_sources
from ttd_jax.metrics.gradient.contrast import standard_deviation
from ttd_jax.metrics.gray import matlab_gray
from ttd_jax.metrics.protocols.protocol import Protocol, Row

_PROGRAM = "xingchenzhang/MEFB metrics/metrics"

MEFB = Protocol(
    name="mefb",
    reference="MEFB benchmark: Zhang, Inf. Fusion 74 (2021) 111-131",
    colors=red_of_gray_sources,
    source_gray=matlab_gray,
    fused_gray=matlab_gray,
    rows=(
        # information
        # gradient
        Row("SD", standard_deviation, "population"),
        # structure
        # perception
        # likeness
    ),
)
