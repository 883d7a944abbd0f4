"""The protocol liu."""

from functools import partial

from ttd_jax.metrics.gradient.contrast import standard_deviation
from ttd_jax.metrics.gradient.edge_preservation import edge_preservation
from ttd_jax.metrics.gradient.extended_frequency import spatial_frequency_error
from ttd_jax.metrics.gray import matlab_gray
from ttd_jax.metrics.information.mutual import normalized_mutual_information
from ttd_jax.metrics.information.nonlinear_correlation import nonlinear_correlation_entropy
from ttd_jax.metrics.information.tsallis import tsallis_information
from ttd_jax.metrics.protocols.protocol import Protocol, Row

_PROGRAM = "yuliu316316/MFIF-Metrics fusion-metrics/"
_TOOLBOX = "zhengliu6699/imageFusionMetrics "

LIU = Protocol(
    name="liu",
    reference="Liu et al., IEEE Trans. Pattern Anal. Mach. Intell. 34 (2012) 94-109, corrected",
    source_gray=matlab_gray,
    fused_gray=matlab_gray,
    rows=(
        # information
        Row(
            "NMI",
            partial(normalized_mutual_information, stretch=True),
            "grays stretched",
            f"{_TOOLBOX}metricMI.m sw=1",
        ),
        Row(
            "Qncie",
            partial(nonlinear_correlation_entropy, stretch=True),
            "of mutual information / 8 bits, grays stretched",
            f"{_TOOLBOX}metricWang.m",
        ),
        Row("TE", tsallis_information, "each image's own marginals, which no program takes"),
        # gradient
        Row("SD", standard_deviation, "population"),
        Row(
            "Qg",
            partial(edge_preservation, border="constant", angles="atan"),
            "as Qabf: by strength; angles as atan has them, black borders",
            f"{_PROGRAM}metricXydeas.m",
        ),
        Row(
            "Qsf",
            spatial_frequency_error,
            "SF / SF of the largest differences of the sources - 1",
            f"{_TOOLBOX}metricZheng.m",
        ),
        # structure
        # perception
        # likeness
    ),
)
