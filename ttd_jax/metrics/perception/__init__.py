"""What an observer would see, by models of vision."""

import math

from ttd_jax.metrics.metric import Metric
from ttd_jax.metrics.perception import chen_blum, chen_varshney, vif, viff

ENTRIES = (
    Metric(
        name="VIF",
        function=vif.visual_information_fidelity,
        group="perception",
        high=math.inf,
        per_source=True,
        tolerance=1e-3,
        description="visual information of the sources that is kept, pixel domain",
        definition="sum of vifp",
        undefined="tang, ivif_zoo: a source is constant, or too small for a window",
        reference="Sheikh and Bovik, IEEE Trans. Image Process. 15 (2006) 430-444",
    ),
    Metric(
        name="VIFF",
        function=viff.fusion_information_fidelity,
        group="perception",
        high=math.inf,
        tolerance=1e-3,
        description="visual information kept of the source that is seen least",
        definition="scales weigh 1, 0, 0.15, 1",
        reference="Han, Cai, Cao and Xu, Inf. Fusion 14 (2013) 127-135",
    ),
    Metric(
        name="Qcb",
        function=chen_blum.contrast_preservation,
        group="perception",
        high=1.0,
        tolerance=1e-3,
        description="contrast of the sources, as the eye sees it, that is kept",
        definition="stretched to whole grays; black ground has contrast 1",
        undefined="a picture is constant",
        reference="Chen and Blum, Image Vis. Comput. 27 (2009) 1421-1432",
    ),
    Metric(
        name="Qcv",
        function=chen_varshney.perceived_difference,
        group="perception",
        better="down",
        high=math.inf,
        description="difference from the sources, as the eye sees it, where they have edges",
        definition="stretched to whole grays",
        undefined="a picture is constant and not black, or no source has an edge",
        reference="Chen and Varshney, Inf. Fusion 8 (2007) 193-207",
    ),
)
