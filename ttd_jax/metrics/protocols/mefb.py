"""The protocol mefb."""

from functools import partial

from ttd_jax.metrics.color import gray_of_gray_sources, red_of_gray_sources
from ttd_jax.metrics.gradient.contrast import standard_deviation
from ttd_jax.metrics.gradient.edge_preservation import edge_preservation
from ttd_jax.metrics.gradient.sharpness import average_gradient, edge_intensity, spatial_frequency
from ttd_jax.metrics.gray import matlab_gray
from ttd_jax.metrics.information.entropy import cross_entropy, entropy
from ttd_jax.metrics.information.mutual import normalized_mutual_information
from ttd_jax.metrics.information.nonlinear_correlation import nonlinear_correlation_entropy
from ttd_jax.metrics.information.tsallis import tsallis_information
from ttd_jax.metrics.likeness.error import psnr
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
        Row(
            "CE",
            partial(cross_entropy, form="divergence"),
            "mean of sum p_m log2(p_m / p_F) where both occur",
            f"{_PROGRAM}Cross_entropy.m",
        ),
        Row("EN", entropy, "bits", f"{_PROGRAM}Entropy.m"),
        Row(
            "NMI",
            partial(normalized_mutual_information, stretch=True),
            "grays stretched",
            f"{_PROGRAM}NMI.m",
        ),
        Row(
            "Qncie",
            partial(nonlinear_correlation_entropy, stretch=True),
            "of mutual information / 8 bits, grays stretched",
            f"{_PROGRAM}Qncie.m",
        ),
        Row(
            "TE",
            partial(tsallis_information, marginals="swapped"),
            "grays stretched, marginals swapped: no information",
            f"{_PROGRAM}TE.m",
        ),
        # gradient
        Row("SD", standard_deviation, "population", f"{_PROGRAM}SD.m"),
        Row(
            "AG",
            partial(average_gradient, over="interior"),
            "sum / ((H - 1) (W - 1))",
            f"{_PROGRAM}Avg_gradient.m",
            gray_of_gray_sources,
        ),
        Row("EI", partial(edge_intensity, scale=1.0), "raw Sobel", f"{_PROGRAM}Edge_intensity.m"),
        Row(
            "SF",
            partial(spatial_frequency, over="pixels"),
            "both sums / (H W)",
            f"{_PROGRAM}Spatial_frequency.m",
        ),
        Row(
            "Qabf",
            partial(edge_preservation, border="constant", angles="pi/2", equal="strength"),
            "angles as atan has them, black borders",
            f"{_PROGRAM}Qabf.m",
        ),
        # structure
        # perception
        # likeness
        Row(
            "PSNR",
            partial(psnr, peak=255.0, error="norm"),
            "20 log10(255 / sqrt(norm / (H W)))",
            f"{_PROGRAM}Psnr.m",
        ),
    ),
)
