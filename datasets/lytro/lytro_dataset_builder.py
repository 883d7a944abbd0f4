"""Lytro: multi-focus pairs and triples of a light-field camera."""

from ttd_jax_datasets.base import FusionBuilder, FusionConfig
from ttd_jax_datasets.layouts import Endings


class Builder(FusionBuilder):
    """Lytro."""

    HOMEPAGE = "https://mansournejati.ece.iut.ac.ir/content/lytro-multi-focus-dataset"
    TERMS = "see the homepage; cite the paper"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
Download the Lytro Multi-focus Dataset from
https://mansournejati.ece.iut.ac.ir/content/lytro-multi-focus-dataset and unpack it, so that the
folder that you pass holds
  lytro-*-A.jpg   lytro-*-B.jpg   20 pairs
  Triple Series/lytro-*-A.jpg, -B.jpg, -C.jpg   4 triples
"""
    BUILDER_CONFIGS = (
        FusionConfig(
            name="pairs",
            description="Two pictures of each scene.",
            task="multi-focus",
            roles=("a", "b"),
            layout=Endings("", ("-A", "-B")),
            splits={"test": 20},
        ),
        FusionConfig(
            name="triples",
            description="Three pictures of each scene.",
            task="multi-focus",
            roles=("a", "b", "c"),
            layout=Endings("Triple Series", ("-A", "-B", "-C")),
            splits={"test": 4},
        ),
    )
