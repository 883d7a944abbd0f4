"""MSRS: visible and infrared pairs of roads; boxes were drawn on each of three pictures."""

from ttd_jax_datasets.base import FusionBuilder, FusionConfig
from ttd_jax_datasets.labels import Yolo
from ttd_jax_datasets.layouts import Folders

_PAIRS = {
    "task": "infrared-visible",
    "roles": ("visible", "infrared"),
    "layout": Folders(("{split}/vi", "{split}/ir")),
}
# Label files of each set; the sets disagree, and pairs without objects have none.
_LABELLED = {
    "visible": {"train": 819, "test": 272},
    "infrared": {"train": 986, "test": 343},
    "fusion": {"train": 980, "test": 328},
}


class Builder(FusionBuilder):
    """MSRS."""

    HOMEPAGE = "https://github.com/Linfeng-Tang/MSRS"
    TERMS = "none stated; cite the paper"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
Clone https://github.com/Linfeng-Tang/MSRS and, for the configs `detection_*`, inside it
https://github.com/Lele-3/MSRS-detection-label as `labels`, so that the folder that you pass holds
  train/vi/*.png   train/ir/*.png   1083 pairs
  test/vi/*.png    test/ir/*.png     361 pairs
  labels/visible|infrared|fusion/train|test/*.txt
"""
    BUILDER_CONFIGS = (
        FusionConfig(
            name="fusion", description="All pairs.", splits={"train": 1083, "test": 361}, **_PAIRS
        ),
        *(
            FusionConfig(
                name=f"detection_{kind}",
                description=f"Pairs with the boxes that were drawn on the {kind} picture.",
                splits=splits,
                labels=Yolo(f"labels/{kind}/{{split}}", classes=("person", "bicycle", "car")),
                **_PAIRS,
            )
            for kind, splits in _LABELLED.items()
        ),
    )
