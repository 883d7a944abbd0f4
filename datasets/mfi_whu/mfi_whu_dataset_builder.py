"""MFI-WHU: multi-focus pairs, made by blurring parts of sharp pictures."""

from ttd_jax_datasets.base import FusionBuilder, FusionConfig
from ttd_jax_datasets.layouts import Folders


class Builder(FusionBuilder):
    """MFI-WHU."""

    HOMEPAGE = "https://github.com/HaoZhang1018/MFI-WHU"
    TERMS = "none stated; cite the paper"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
Clone https://github.com/HaoZhang1018/MFI-WHU and unpack it, so that the folder that you pass holds
  source_1/*.jpg   source_2/*.jpg   120 pairs
"""
    BUILDER_CONFIGS = (
        FusionConfig(
            name="fusion",
            description="All pairs; neither source is always the near one.",
            task="multi-focus",
            roles=("a", "b"),
            layout=Folders(("source_1", "source_2")),
            splits={"test": 120},
        ),
    )
