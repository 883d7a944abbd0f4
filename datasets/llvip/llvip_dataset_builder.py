"""LLVIP: visible and infrared pairs of streets at night, with pedestrians' boxes."""

import pathlib

from ttd_jax_datasets.base import FusionBuilder, FusionConfig
from ttd_jax_datasets.labels import Voc
from ttd_jax_datasets.layouts import Folders

_TRAIN, _TEST = 12025, 3463
_PAIRS = {
    "task": "infrared-visible",
    "roles": ("visible", "infrared"),
    "layout": Folders(("visible/{split}", "infrared/{split}")),
}
# The test pairs of the TTD paper's tables, by name: 69, where the paper says 70.
_SUBSET = pathlib.Path(__file__).with_name("ttd_subset.txt")


class Builder(FusionBuilder):
    """LLVIP."""

    HOMEPAGE = "https://bupt-ai-cz.github.io/LLVIP/"
    TERMS = "non-commercial use, with citation"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
Download LLVIP.zip as https://bupt-ai-cz.github.io/LLVIP/ says and unpack it, so that the folder
that you pass holds
  visible/train/*.jpg   infrared/train/*.jpg   12025 pairs
  visible/test/*.jpg    infrared/test/*.jpg     3463 pairs
  Annotations/*.xml     boxes, for the config `detection`
"""
    BUILDER_CONFIGS = (
        FusionConfig(
            name="fusion",
            description="All pairs.",
            splits={"train": _TRAIN, "test": _TEST},
            **_PAIRS,
        ),
        FusionConfig(
            name="detection",
            description="Pairs with the boxes of their pedestrians.",
            splits={"train": _TRAIN, "test": _TEST},
            labels=Voc("Annotations", classes=("person",)),
            **_PAIRS,
        ),
        FusionConfig(
            name="ttd_subset",
            description="The 69 test pairs that the authors of TTD drew for their tables.",
            splits={"test": 69},
            names=frozenset(_SUBSET.read_text(encoding="utf-8").split()),
            **_PAIRS,
        ),
    )
