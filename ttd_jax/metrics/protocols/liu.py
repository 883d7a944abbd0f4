"""The protocol liu."""

from functools import partial

from ttd_jax.metrics.gradient.congruency_preservation import phase_congruency_preservation
from ttd_jax.metrics.gradient.contrast import standard_deviation
from ttd_jax.metrics.gradient.edge_preservation import edge_preservation
from ttd_jax.metrics.gradient.extended_frequency import spatial_frequency_error
from ttd_jax.metrics.gray import matlab_gray
from ttd_jax.metrics.information.mutual import normalized_mutual_information
from ttd_jax.metrics.information.nonlinear_correlation import nonlinear_correlation_entropy
from ttd_jax.metrics.information.tsallis import tsallis_information
from ttd_jax.metrics.perception.chen_blum import contrast_preservation
from ttd_jax.metrics.perception.chen_varshney import perceived_difference
from ttd_jax.metrics.perception.viff import fusion_information_fidelity
from ttd_jax.metrics.protocols.protocol import Protocol, Row
from ttd_jax.metrics.structure.cvejic import cvejic_quality
from ttd_jax.metrics.structure.wavelet_quality import wavelet_quality
from ttd_jax.metrics.structure.weighted_quality import (
    average_quality,
    edge_dependent_quality,
    weighted_quality,
)
from ttd_jax.metrics.structure.yang import yang_quality

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
        Row("Qp", phase_congruency_preservation, "low pass centered", f"{_PROGRAM}metricZhao.m"),
        # structure
        Row("Qo", average_quality, "8x8 window", f"{_PROGRAM}metricPeilla.m sw=1"),
        Row("Qw", weighted_quality, "8x8 window", f"{_PROGRAM}metricPeilla.m sw=2"),
        Row("Qe", edge_dependent_quality, "8x8 window, Prewitt", f"{_PROGRAM}metricPeilla.m sw=3"),
        Row("Qc", cvejic_quality, "8x8 window, weights clipped", f"{_PROGRAM}metricCvejic.m sw=2"),
        Row("Qy", yang_quality, "7x7 Gaussian window", f"{_PROGRAM}metricYang.m"),
        Row(
            "Qm",
            wavelet_quality,
            "two levels of Haar",
            "zhengliu6699/imageFusionMetrics metricPWW.m",
        ),
        # perception
        Row("VIFF", fusion_information_fidelity, "", f"{_PROGRAM}VIFF_Public.m"),
        Row(
            "Qcb", contrast_preservation, "stretched to whole grays", f"{_TOOLBOX}metricChenBlum.m"
        ),
        Row("Qcv", perceived_difference, "stretched to whole grays", f"{_TOOLBOX}metricChen.m"),
        # likeness
    ),
)
