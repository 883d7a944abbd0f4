"""The protocol tang."""

from functools import partial

from ttd_jax.metrics.gradient.artifacts import added_artifacts
from ttd_jax.metrics.gradient.contrast import standard_deviation
from ttd_jax.metrics.gradient.edge_preservation import edge_preservation
from ttd_jax.metrics.gradient.sharpness import average_gradient, spatial_frequency
from ttd_jax.metrics.gray import matlab_gray
from ttd_jax.metrics.information.entropy import entropy
from ttd_jax.metrics.information.feature_mutual import feature_mutual_information
from ttd_jax.metrics.information.mutual import mutual_information
from ttd_jax.metrics.likeness.correlation import correlation, sum_of_correlations_of_differences
from ttd_jax.metrics.likeness.error import mean_squared_error, psnr
from ttd_jax.metrics.perception.vif import visual_information_fidelity
from ttd_jax.metrics.protocols.protocol import Protocol, Row
from ttd_jax.metrics.structure.mef_ssim import multi_exposure_similarity
from ttd_jax.metrics.structure.ssim import ssim

_PROGRAM = "Linfeng-Tang/Evaluation-for-Image-Fusion Evaluation/"

TANG = Protocol(
    name="tang",
    reference="the evaluation of Tang et al., as in papers since U2Fusion and SeAFusion",
    source_gray=matlab_gray,
    fused_gray=matlab_gray,
    rows=(
        # information
        Row("EN", entropy, "bits", f"{_PROGRAM}entropy (analysis_Reference.m)"),
        Row(
            "MI",
            partial(mutual_information, unit="bits", saturated=True),
            "bits; 254 and 255 are one where both images are counted",
            f"{_PROGRAM}MI_evaluation.m",
        ),
        Row(
            "FMI_pixel",
            feature_mutual_information,
            "of edges in spite of its name: what others call FMI",
            f"{_PROGRAM}analysis_fmi.m default=edge (edge shim)",
        ),
        Row(
            "FMI_dct",
            partial(feature_mutual_information, feature="dct"),
            "of the whole image's cosine transform",
            f"{_PROGRAM}analysis_fmi.m dct",
        ),
        Row(
            "FMI_w",
            partial(feature_mutual_information, feature="wavelet"),
            "of one level of the Meyer wavelet",
            f"{_PROGRAM}analysis_fmi.m wavelet (dwt2 shim)",
        ),
        # gradient
        Row("SD", standard_deviation, "population", f"{_PROGRAM}SD_evaluation.m"),
        Row(
            "AG",
            partial(average_gradient, over="interior"),
            "sum / ((H - 1) (W - 1))",
            f"{_PROGRAM}AG_evaluation.m",
        ),
        Row(
            "SF",
            spatial_frequency,
            "mean over each direction's own differences",
            f"{_PROGRAM}SF_evaluation.m",
        ),
        Row(
            "Qabf",
            partial(edge_preservation, border="constant", angles="pi/2", equal="strength"),
            "angles as atan has them, black borders",
            f"{_PROGRAM}analysis_Qabf.m",
        ),
        Row(
            "Nabf",
            added_artifacts,
            "as defined; its script passes the first source for the fused image",
            f"{_PROGRAM}analysis_nabf.m (f I1 I2)",
        ),
        # structure
        Row(
            "SSIM",
            partial(ssim, window="gaussian", data_range=1.0, border="edge", over_sources="mean"),
            "mean; 11x11 Gaussian window, border repeated; constants for 0..1 on grays in 0..255",
            f"{_PROGRAM}ssim (shim) in analysis_Reference.m",
        ),
        Row(
            "MS_SSIM",
            multi_exposure_similarity,
            "is MEF_SSIM, of Ma et al.",
            f"{_PROGRAM}analysis_ms_ssim.m",
        ),
        # perception
        Row(
            "VIF",
            partial(visual_information_fidelity, strict=True),
            "sum of vifp; none for constant sources",
            f"{_PROGRAM}vifp_mscale.m (sum)",
        ),
        # likeness
        Row(
            "SCD",
            partial(sum_of_correlations_of_differences, strict=True),
            "none for constant ones",
            f"{_PROGRAM}analysis_SCD.m",
        ),
        Row(
            "CC",
            partial(correlation, strict=True),
            "none for constant ones",
            f"{_PROGRAM}CC_evaluation.m",
        ),
        Row(
            "MSE",
            partial(mean_squared_error, scale=1 / 255),
            "grays in 0..1",
            f"{_PROGRAM}MSE_evaluation.m",
        ),
        Row(
            "PSNR",
            partial(psnr, peak=255.0, scale=1 / 255),
            "20 log10(255 / sqrt MSE), grays in 0..1: 48.13 too much",
            f"{_PROGRAM}PSNR_evaluation.m",
        ),
    ),
)
