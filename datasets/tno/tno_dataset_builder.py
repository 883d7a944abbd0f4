"""TNO: visible and infrared pairs of military scenes, as fusion papers package them."""

from ttd_jax_datasets.base import FusionBuilder, FusionConfig
from ttd_jax_datasets.layouts import Folders


class Builder(FusionBuilder):
    """TNO."""

    HOMEPAGE = "https://doi.org/10.6084/m9.figshare.1008029"
    TERMS = "see doi:10.6084/m9.figshare.1008029"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
Get the 25 pairs that CDDFuse is tested on (https://github.com/Zhaozixiang1228/MMIF-CDDFuse; the
whole collection is at https://doi.org/10.6084/m9.figshare.1008029), so that the folder that you
pass holds
  vi/*.png   ir/*.png   25 pairs
"""
    BUILDER_CONFIGS = (
        FusionConfig(
            name="fusion",
            description="The pairs that CDDFuse is tested on.",
            task="infrared-visible",
            roles=("visible", "infrared"),
            layout=Folders(("vi", "ir")),
            splits={"test": 25},
        ),
    )
