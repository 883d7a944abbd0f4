"""The protocol ivif_zoo."""

from functools import partial

from ttd_jax.metrics.gradient.artifacts import added_artifacts
from ttd_jax.metrics.gradient.contrast import standard_deviation
from ttd_jax.metrics.gradient.edge_preservation import edge_preservation
from ttd_jax.metrics.gradient.sharpness import average_gradient, edge_intensity, spatial_frequency
from ttd_jax.metrics.information.entropy import entropy
from ttd_jax.metrics.information.mutual import mutual_information, normalized_mutual_information
from ttd_jax.metrics.information.nonlinear_correlation import correlation_entropy
from ttd_jax.metrics.likeness.correlation import correlation, sum_of_correlations_of_differences
from ttd_jax.metrics.likeness.error import mean_squared_error, psnr
from ttd_jax.metrics.perception.chen_blum import contrast_preservation
from ttd_jax.metrics.perception.vif import visual_information_fidelity
from ttd_jax.metrics.protocols.protocol import Protocol, Row
from ttd_jax.metrics.structure.ms_ssim import multiscale_similarity
from ttd_jax.metrics.structure.ssim import ssim

_PROGRAM = "RollingPlain/IVIF_ZOO Metric/Metric_torch.py"

IVIF_ZOO = Protocol(
    name="ivif_zoo",
    reference="IVIF_ZOO: Liu et al., IEEE Trans. Pattern Anal. Mach. Intell. 2025",
    rows=(
        # information
        Row("EN", entropy, "bits", _PROGRAM),
        Row("MI", partial(mutual_information, unit="bits"), "bits", _PROGRAM),
        Row(
            "NMI",
            partial(normalized_mutual_information, over="sources"),
            "2 sum of I(F; X_m) / sum of H(X_m)",
            _PROGRAM,
        ),
        Row("Qncie", correlation_entropy, "of correlations", _PROGRAM),
        # gradient
        Row("SD", standard_deviation, "population", _PROGRAM),
        Row("AG", average_gradient, "mean over all H W pixels", _PROGRAM),
        Row(
            "EI",
            partial(edge_intensity, scale=1.0, border="constant"),
            "raw Sobel, black borders",
            _PROGRAM,
        ),
        Row("SF", spatial_frequency, "mean over each direction's own differences", _PROGRAM),
        Row(
            "Qabf",
            partial(edge_preservation, border="constant", angles="pi/2", equal="strength"),
            "angles as atan has them, black borders",
            _PROGRAM,
        ),
        Row("Nabf", partial(added_artifacts, weak=0.0), "weak edges weigh nothing", _PROGRAM),
        # structure
        Row(
            "SSIM",
            partial(ssim, window="gaussian", data_range=1.0),
            "sum; 11x11 Gaussian window; constants for 0..1 on grays in 0..255",
            _PROGRAM,
        ),
        Row(
            "MS_SSIM",
            partial(multiscale_similarity, data_range=1.0, beside="black"),
            "sum; constants for 0..1 on grays in 0..255; a black row before an odd side",
            _PROGRAM,
        ),
        # perception
        Row(
            "VIF",
            partial(visual_information_fidelity, border="zeros", strict=True),
            "sum of vifp, zeros beside the image, windows off center",
            _PROGRAM,
        ),
        Row(
            "Qcb",
            partial(contrast_preservation, stretch="exact", degrees=30.0, guard=1e-10),
            "stretched without rounding; half the frequencies",
            _PROGRAM,
        ),
        # likeness
        Row(
            "SCD",
            partial(sum_of_correlations_of_differences, strict=True),
            "none for constant ones",
            _PROGRAM,
        ),
        Row("CC", partial(correlation, strict=True), "none for constant ones", _PROGRAM),
        Row("MSE", partial(mean_squared_error, scale=1 / 255), "grays in 0..1", _PROGRAM),
        Row(
            "PSNR",
            partial(psnr, peak=255.0, scale=1 / 255),
            "20 log10(255 / sqrt MSE), grays in 0..1: 48.13 too much",
            _PROGRAM,
        ),
    ),
    refused={
        "CE": "its figure is that of sigmoids of grays, which are 1 from about 16 on",
        "TE": "its figure is H(A) + H(B) - H(F), which says nothing of what is kept",
        "Qy": "its window does not sum to one, so that variances are below 0",
    },
)
