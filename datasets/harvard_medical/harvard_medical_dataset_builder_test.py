"""TFDS's test of the builder of Harvard medical."""

from tests.datasets import builder_case


class PairsTest(builder_case.BuilderTestCase):
    """Every config."""

    DATASET_CLASS = builder_case.builder_class("harvard_medical")
    SPLITS = {"test": 2}  # noqa: RUF012
