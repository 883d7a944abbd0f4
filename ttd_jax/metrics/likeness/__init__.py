"""Pixel by pixel: errors and correlations."""

from ttd_jax.metrics.likeness import correlation, error
from ttd_jax.metrics.metric import Metric

ENTRIES = (
    Metric(
        name="SCD",
        function=correlation.sum_of_correlations_of_differences,
        group="likeness",
        low=-1.0,
        high=1.0,
        per_source=True,
        description="what remains without the other sources, correlated with each source",
        definition="0 for constant ones",
        undefined="tang, ivif_zoo: a source, or what remains without the others, is constant",
        reference="Aslantas and Bendes, AEU 69 (2015) 1890-1896",
    ),
    Metric(
        name="CC",
        function=correlation.correlation,
        group="likeness",
        low=-1.0,
        high=1.0,
        description="mean correlation with the sources",
        definition="0 for constant ones",
        undefined="tang, ivif_zoo: an image is constant",
        reference="Ma et al., Inf. Fusion 45 (2019) 153-178",
    ),
    Metric(
        name="MSE",
        function=error.mean_squared_error,
        group="likeness",
        better="down",
        high=65025.0,
        description="mean squared error against the sources",
        definition="grays in 0..255",
        reference="Ma et al., Inf. Fusion 45 (2019) 153-178",
    ),
    Metric(
        name="RMSE",
        function=error.root_mean_squared_error,
        group="likeness",
        better="down",
        high=255.0,
        description="root of the mean squared error against the sources",
        definition="root of the MSE",
        reference="Jagalingam and Hegde, Aquat. Procedia 4 (2015) 133-142",
    ),
    Metric(
        name="PSNR",
        function=error.psnr,
        group="likeness",
        low=-error.PSNR_LIMIT,
        high=error.PSNR_LIMIT,
        description="peak signal-to-noise ratio against the sources, decibel",
        definition="20 log10(max F / sqrt MSE)",
        undefined="in all protocols but paper: the fused image equals every source",
        reference="Jagalingam and Hegde, Aquat. Procedia 4 (2015) 133-142",
    ),
)
