"""TFDS's test of the builder of TNO."""

from tests.datasets import builder_case


class FusionTest(builder_case.BuilderTestCase):
    """Every config."""

    DATASET_CLASS = builder_case.builder_class("tno")
    SPLITS = {"test": 2}  # noqa: RUF012
