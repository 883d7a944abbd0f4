"""What an observer would see, by models of vision."""

import math

from ttd_jax.metrics.metric import Metric
from ttd_jax.metrics.perception import vif, viff

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
)
