"""MEFB: under- and over-exposed pairs, a folder for each scene."""

from ttd_jax_datasets.base import FusionBuilder, FusionConfig
from ttd_jax_datasets.layouts import SceneFolders


class Builder(FusionBuilder):
    """MEFB."""

    HOMEPAGE = "https://github.com/xingchenzhang/MEFB"
    TERMS = "none stated; cite the paper"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
Download MEFB as https://github.com/xingchenzhang/MEFB says and unpack it, so that the folder that
you pass holds
  input/<scene>/*_A.*   input/<scene>/*_B.*   100 scenes
Other pictures in a scene's folder are left aside, and nothing need be renamed.
"""
    BUILDER_CONFIGS = (
        FusionConfig(
            name="fusion",
            description="All scenes.",
            task="multi-exposure",
            roles=("under", "over"),
            layout=SceneFolders("input", ("_A", "_B")),
            splits={"test": 100},
        ),
    )
