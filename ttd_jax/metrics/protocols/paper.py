"""The protocol of the TTD paper's tables."""

from ttd_jax.metrics.gray import exchanged_gray
from ttd_jax.metrics.protocols.protocol import Protocol

PAPER = Protocol(
    name="paper",
    reference="Cao et al., Test-Time Dynamic Image Fusion, NeurIPS 2024",
    own=True,
    fused_gray=exchanged_gray,
)
