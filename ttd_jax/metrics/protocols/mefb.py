"""The protocol mefb."""

from functools import partial

from ttd_jax.metrics.color import gray_of_gray_sources, in_gray, red_of_gray_sources
from ttd_jax.metrics.gradient.congruency_preservation import phase_congruency_preservation
from ttd_jax.metrics.gradient.contrast import standard_deviation
from ttd_jax.metrics.gradient.edge_preservation import edge_preservation
from ttd_jax.metrics.gradient.sharpness import average_gradient, edge_intensity, spatial_frequency
from ttd_jax.metrics.gray import matlab_gray
from ttd_jax.metrics.information.entropy import cross_entropy, entropy
from ttd_jax.metrics.information.feature_mutual import feature_mutual_information
from ttd_jax.metrics.information.mutual import normalized_mutual_information
from ttd_jax.metrics.information.nonlinear_correlation import nonlinear_correlation_entropy
from ttd_jax.metrics.information.tsallis import tsallis_information
from ttd_jax.metrics.likeness.error import psnr
from ttd_jax.metrics.perception.chen_blum import contrast_preservation
from ttd_jax.metrics.perception.chen_varshney import perceived_difference
from ttd_jax.metrics.perception.viff import fusion_information_fidelity
from ttd_jax.metrics.protocols.protocol import Protocol, Row
from ttd_jax.metrics.structure.cvejic import cvejic_quality
from ttd_jax.metrics.structure.mef_ssim import multi_exposure_similarity
from ttd_jax.metrics.structure.weighted_quality import weighted_quality
from ttd_jax.metrics.structure.yang import yang_quality

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
        Row("FMI", feature_mutual_information, "of edges", f"{_PROGRAM}FMI.m"),
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
        Row(
            "Qp",
            partial(phase_congruency_preservation, low_pass="shifted"),
            "low pass one frequency beside the center for odd sizes",
            f"{_PROGRAM}Qp.m",
        ),
        # structure
        Row(
            "MEF_SSIM",
            multi_exposure_similarity,
            "three levels; grays",
            f"{_PROGRAM}MEF_SSIM.m",
            colors=in_gray,
        ),
        Row(
            "Qw",
            partial(
                weighted_quality,
                of="edges",
                window="gaussian 11/1.5",
                constants=((0.01 * 255) ** 2, (0.03 * 255) ** 2),
            ),
            "of the edges alone (Prewitt), 11x11 Gaussian window",
            f"{_PROGRAM}Qw.m",
        ),
        Row(
            "Qc",
            partial(cvejic_quality, window="gaussian 7/1.5", outside="decide"),
            "7x7 Gaussian window; 0 or 1 where a weight is outside 0..1",
            f"{_PROGRAM}Qc.m",
        ),
        Row(
            "Qy",
            partial(yang_quality, black="skip"),
            "7x7 Gaussian window; not where both sources are black",
            f"{_PROGRAM}Qy.m",
        ),
        # perception
        Row("VIF", fusion_information_fidelity, "is VIFF, of Han et al.", f"{_PROGRAM}VIF.m"),
        Row(
            "Qcb",
            partial(contrast_preservation, stretch="fractions"),
            "stretched after a division by 255",
            f"{_PROGRAM}Qcb.m",
        ),
        Row("Qcv", perceived_difference, "stretched to whole grays", f"{_PROGRAM}Qcv.m"),
        # likeness
        Row(
            "PSNR",
            partial(psnr, peak=255.0, error="norm"),
            "20 log10(255 / sqrt(norm / (H W)))",
            f"{_PROGRAM}Psnr.m",
        ),
    ),
)
