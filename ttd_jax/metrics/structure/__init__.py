"""Structural similarity and its relatives: window by window."""

from ttd_jax.metrics.metric import Metric
from ttd_jax.metrics.structure import ssim

ENTRIES = (
    Metric(
        name="SSIM",
        function=ssim.ssim,
        group="structure",
        low=-1.0,
        high=1.0,
        per_source=True,
        description="structural similarity with the sources",
        definition="sum; 7x7 uniform window, sample covariance",
        reference="Wang et al., IEEE Trans. Image Process. 13 (2004) 600-612",
    ),
)
