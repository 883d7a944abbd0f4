"""Harvard medical: MRI with CT, PET or SPECT of the brain, as CDDFuse packages them."""

from ttd_jax_datasets.base import FusionBuilder, FusionConfig
from ttd_jax_datasets.layouts import Folders

_PAIRS = {"ct": 21, "pet": 42, "spect": 73}


class Builder(FusionBuilder):
    """Harvard medical."""

    HOMEPAGE = "https://github.com/Zhaozixiang1228/MMIF-CDDFuse"
    TERMS = "see the homepage; cite the Whole Brain Atlas"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
Clone https://github.com/Zhaozixiang1228/MMIF-CDDFuse and pass its folder `test_img`, which holds
  MRI_CT/MRI/*.png      MRI_CT/CT/*.png         21 pairs
  MRI_PET/MRI/*.png     MRI_PET/PET/*.png       42 pairs
  MRI_SPECT/MRI/*.png   MRI_SPECT/SPECT/*.png   73 pairs
"""
    BUILDER_CONFIGS = tuple(
        FusionConfig(
            name=f"mri_{other}",
            description=f"MRI and {other.upper()}.",
            task="medical",
            roles=("mri", other),
            layout=Folders(
                (f"MRI_{other.upper()}/MRI", f"MRI_{other.upper()}/{other.upper()}"),
            ),
            splits={"test": pairs},
        )
        for other, pairs in _PAIRS.items()
    )
