"""The protocol of the VIFB benchmark, as its MATLAB programs compute it."""

from functools import partial

from ttd_jax.metrics.color import each_channel, side_by_side
from ttd_jax.metrics.gradient.contrast import standard_deviation
from ttd_jax.metrics.gradient.edge_preservation import edge_preservation
from ttd_jax.metrics.gradient.sharpness import average_gradient, edge_intensity, spatial_frequency
from ttd_jax.metrics.gray import matlab_gray
from ttd_jax.metrics.information.entropy import cross_entropy, entropy
from ttd_jax.metrics.information.mutual import mutual_information
from ttd_jax.metrics.likeness.error import psnr, root_mean_squared_error
from ttd_jax.metrics.perception.chen_blum import contrast_preservation
from ttd_jax.metrics.perception.chen_varshney import perceived_difference
from ttd_jax.metrics.protocols.protocol import Protocol, Row
from ttd_jax.metrics.structure.ssim import ssim

_VIFB = "xingchenzhang/VIFB metrics/metrics"

VIFB = Protocol(
    name="vifb",
    reference="VIFB benchmark: Zhang et al., CVPR Workshops 2020",
    colors=each_channel,
    source_gray=matlab_gray,
    fused_gray=matlab_gray,
    rows=(
        # information
        Row(
            "CE",
            partial(cross_entropy, form="divergence"),
            "mean of sum p_m log2(p_m / p_F) where both occur",
            f"{_VIFB}Cross_entropy.m",
        ),
        Row("EN", entropy, "bits", f"{_VIFB}Entropy.m"),
        Row("MI", mutual_information, "nats", f"{_VIFB}Mutinf.m"),
        # gradient
        Row("SD", standard_deviation, "population", f"{_VIFB}Variance.m"),
        Row(
            "AG",
            partial(average_gradient, over="interior"),
            "sum / ((H - 1) (W - 1))",
            f"{_VIFB}Avg_gradient.m",
        ),
        Row("EI", partial(edge_intensity, scale=1.0), "raw Sobel", f"{_VIFB}Edge_intensity.m"),
        Row(
            "SF",
            partial(spatial_frequency, over="pixels"),
            "both sums / (H W); the channels side by side",
            f"{_VIFB}Spatial_frequency.m",
            side_by_side,
        ),
        Row(
            "Qabf",
            partial(edge_preservation, border="constant", angles="pi/2", equal="strength"),
            "angles as atan has them, black borders",
            f"{_VIFB}Qabf.m",
        ),
        # structure
        Row(
            "SSIM",
            partial(ssim, window="gaussian"),
            "sum; 11x11 Gaussian of 1.5",
            f"{_VIFB}Ssim.m",
        ),
        # perception
        Row("Qcb", contrast_preservation, "stretched to whole grays", f"{_VIFB}Qcb.m"),
        Row("Qcv", perceived_difference, "stretched to whole grays", f"{_VIFB}Qcv.m"),
        # likeness
        Row(
            "PSNR",
            partial(psnr, peak=255.0, error="norm"),
            "20 log10(255 / sqrt(norm / (H W)))",
            f"{_VIFB}Psnr.m",
        ),
        Row(
            "RMSE",
            partial(root_mean_squared_error, error="norm"),
            "norm / (H W)",
            f"{_VIFB}Rmse.m",
        ),
    ),
)
