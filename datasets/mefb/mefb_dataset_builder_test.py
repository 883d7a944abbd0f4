"""TFDS's test of the builder of MEFB."""

from tests.datasets import builder_case


class FusionTest(builder_case.BuilderTestCase):
    """Every config."""

    DATASET_CLASS = builder_case.builder_class("mefb")
    SPLITS = {"test": 3}  # noqa: RUF012
