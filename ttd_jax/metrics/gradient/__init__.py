"""Edges, contrast and features: how strong they are, and which of the sources are kept."""

from ttd_jax.metrics.gradient import contrast, edge_preservation, sharpness
from ttd_jax.metrics.metric import Metric

ENTRIES = (
    Metric(
        name="SD",
        function=contrast.standard_deviation,
        group="gradient",
        high=127.5,
        needs_sources=False,
        description="standard deviation: contrast",
        reference="Rao, Meas. Sci. Technol. 8 (1997) 355-367",
    ),
    Metric(
        name="AG",
        function=sharpness.average_gradient,
        group="gradient",
        high=255.0,
        needs_sources=False,
        description="average gradient: sharpness",
        definition="mean over all H W pixels",
        reference="Cui et al., Opt. Commun. 341 (2015) 199-209",
    ),
    Metric(
        name="EI",
        function=sharpness.edge_intensity,
        group="gradient",
        high=270.5,
        needs_sources=False,
        description="edge intensity: mean Sobel strength",
        definition="Sobel / 4",
        reference="Rajalingam and Priya, Int. J. Eng. Sci. Invention 2 (2018)",
    ),
    Metric(
        name="SF",
        function=sharpness.spatial_frequency,
        group="gradient",
        high=360.7,
        needs_sources=False,
        description="spatial frequency: differences of neighbors",
        definition="mean over each direction's own differences",
        reference="Eskicioglu and Fisher, IEEE Trans. Commun. 43 (1995) 2959-2965",
    ),
    Metric(
        name="Qabf",
        function=edge_preservation.edge_preservation,
        group="gradient",
        high=0.975,
        tolerance=1e-3,
        description="edges of the sources that are kept",
        reference="Xydeas and Petrovic, Electron. Lett. 36 (2000) 308-309",
    ),
)
