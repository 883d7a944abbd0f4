"""TFDS's test of the builder of RoadScene."""

from tests.datasets import builder_case


class FusionTest(builder_case.BuilderTestCase):
    """Every config."""

    DATASET_CLASS = builder_case.builder_class("roadscene")
    SPLITS = {"test": 2}  # noqa: RUF012
