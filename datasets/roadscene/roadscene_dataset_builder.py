"""RoadScene: visible and infrared pairs of roads, aligned from FLIR's videos."""

from ttd_jax_datasets.base import FusionBuilder, FusionConfig
from ttd_jax_datasets.layouts import Folders


class Builder(FusionBuilder):
    """RoadScene."""

    HOMEPAGE = "https://github.com/hanna-xu/RoadScene"
    TERMS = "see the homepage; cite the paper"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
Clone https://github.com/hanna-xu/RoadScene and rename its folders of aligned pictures,
`crop_LR_visible` to `vi` and `cropinfrared` to `ir`, so that the folder that you pass holds
  vi/*.jpg   ir/*.jpg   221 pairs
"""
    BUILDER_CONFIGS = (
        FusionConfig(
            name="fusion",
            description="All pairs.",
            task="infrared-visible",
            roles=("visible", "infrared"),
            layout=Folders(("vi", "ir")),
            splits={"test": 221},
        ),
    )
