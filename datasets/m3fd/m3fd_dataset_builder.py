"""M3FD: visible and infrared pairs in many kinds of weather; one set to fuse, one with boxes."""

from ttd_jax_datasets.base import FusionBuilder, FusionConfig
from ttd_jax_datasets.labels import Voc
from ttd_jax_datasets.layouts import Folders

_CLASSES = ("People", "Car", "Bus", "Motorcycle", "Lamp", "Truck")
_PAIRS = {"task": "infrared-visible", "roles": ("visible", "infrared")}


class Builder(FusionBuilder):
    """M3FD."""

    HOMEPAGE = "https://github.com/JinyuanLiu-CV/TarDAL"
    TERMS = "see the homepage; cite the paper"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
Download M3FD_Fusion.zip and, for the config `detection`, M3FD_Detection.zip as
https://github.com/JinyuanLiu-CV/TarDAL says and unpack them, so that the folder that you pass holds
  M3FD_Fusion/Vis/*.png      M3FD_Fusion/Ir/*.png       300 pairs
  M3FD_Detection/Vis/*.png   M3FD_Detection/Ir/*.png   4200 pairs
  M3FD_Detection/Annotation/*.xml
"""
    BUILDER_CONFIGS = (
        FusionConfig(
            name="fusion",
            description="The pairs chosen for fusion.",
            splits={"test": 300},
            layout=Folders(("M3FD_Fusion/Vis", "M3FD_Fusion/Ir")),
            **_PAIRS,
        ),
        FusionConfig(
            name="detection",
            description="Pairs with boxes; upstream does not split them.",
            splits={"train": 4200},
            layout=Folders(("M3FD_Detection/Vis", "M3FD_Detection/Ir")),
            labels=Voc("M3FD_Detection/Annotation", classes=_CLASSES),
            **_PAIRS,
        ),
    )
