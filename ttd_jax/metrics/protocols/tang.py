"""The protocol tang."""

from ttd_jax.metrics.gradient.contrast import standard_deviation
from ttd_jax.metrics.gray import matlab_gray
from ttd_jax.metrics.protocols.protocol import Protocol, Row

_PROGRAM = "Linfeng-Tang/Evaluation-for-Image-Fusion Evaluation/"

TANG = Protocol(
    name="tang",
    reference="the evaluation of Tang et al., as in papers since U2Fusion and SeAFusion",
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
