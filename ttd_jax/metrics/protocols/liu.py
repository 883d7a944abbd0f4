"""The protocol liu."""

from ttd_jax.metrics.gradient.contrast import standard_deviation
from ttd_jax.metrics.gray import matlab_gray
from ttd_jax.metrics.protocols.protocol import Protocol, Row

_PROGRAM = "yuliu316316/MFIF-Metrics fusion-metrics/"

LIU = Protocol(
    name="liu",
    reference="Liu et al., IEEE Trans. Pattern Anal. Mach. Intell. 34 (2012) 94-109, corrected",
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
