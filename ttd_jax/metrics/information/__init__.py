"""What histograms and features of the fused image tell of the sources."""

import functools
import math

from ttd_jax.metrics.information import (
    entropy,
    feature_mutual,
    mutual,
    nonlinear_correlation,
    tsallis,
)
from ttd_jax.metrics.metric import Metric

_SMALL = "images are less than 3 pixels wide or high"
_MASKED = "there is a mask: coefficients are no pixels"

ENTRIES = (
    Metric(
        name="EN",
        function=entropy.entropy,
        group="information",
        high=8.0,
        needs_sources=False,
        description="entropy of the gray histogram, bits",
        reference="Roberts et al., J. Appl. Remote Sens. 2 (2008) 023522",
    ),
    Metric(
        name="CE",
        function=entropy.cross_entropy,
        group="information",
        better="down",
        high=23.3,
        description="cross entropy of the gray histograms, source to fused, bits",
        definition="root mean square of -sum p_m log2(p_F + 1e-7)",
        reference="Bulanon et al., Biosyst. Eng. 103 (2009) 12-22",
    ),
    Metric(
        name="MI",
        function=mutual.mutual_information,
        group="information",
        high=math.log(256.0),
        per_source=True,
        description="mutual information with the sources, nats",
        definition="nats",
        reference="Qu et al., Electron. Lett. 38 (2002) 313-315",
    ),
    Metric(
        name="NMI",
        function=mutual.normalized_mutual_information,
        group="information",
        high=1.0,
        per_source=True,
        description="mutual information over the mean entropy of the two images",
        definition="grays as they are",
        undefined="mefb, liu: an image is constant and not black",
        reference="Hossny et al., Electron. Lett. 44 (2008) 1066-1067",
    ),
    Metric(
        name="Qncie",
        function=nonlinear_correlation.nonlinear_correlation_entropy,
        group="information",
        high=1.0,
        description="nonlinear correlation of all images together",
        definition="of mutual information / 8 bits",
        undefined="mefb, liu: an image is constant and not black; ivif_zoo: one is constant, or "
        "two are the same",
        reference="Wang, Shen and Jin, Image Fusion: Algorithms and Applications (2008) 469-492",
    ),
    Metric(
        name="TE",
        function=tsallis.tsallis_information,
        group="information",
        high=math.inf,
        description="mutual information with the sources, Tsallis' entropy of order 1.85",
        definition="each image's own marginals",
        undefined="mefb: an image is constant and not black",
        reference="Cvejic et al., Electron. Lett. 42 (2006) 626-627",
    ),
    *(
        Metric(
            name=name,
            function=functools.partial(feature_mutual.feature_mutual_information, feature=feature),
            group="information",
            high=1.2,
            description=f"what {words} in 3x3 windows tell of the sources'",
            definition=words,
            undefined=undefined,
            reference="Haghighat et al., Comput. Electr. Eng. 37 (2011) 744-756",
        )
        for name, feature, words, undefined in (
            ("FMI", "edge", "thin Sobel edges", _SMALL),
            ("FMI_pixel", "none", "grays", _SMALL),
            ("FMI_gradient", "gradient", "differences along rows", _SMALL),
            ("FMI_dct", "dct", "cosine coefficients", f"{_SMALL}, or {_MASKED}"),
            ("FMI_w", "wavelet", "Meyer wavelet coefficients", _MASKED),
        )
    ),
)
