"""The protocol ivif_zoo."""

from ttd_jax.metrics.gradient.contrast import standard_deviation
from ttd_jax.metrics.protocols.protocol import Protocol, Row

_PROGRAM = "RollingPlain/IVIF_ZOO Metric/Metric_torch.py"

IVIF_ZOO = Protocol(
    name="ivif_zoo",
    reference="IVIF_ZOO: Liu et al., IEEE Trans. Pattern Anal. Mach. Intell. 2025",
    rows=(
        # information
        # gradient
        Row("SD", standard_deviation, "population"),
        # structure
        # perception
        # likeness
    ),
)
