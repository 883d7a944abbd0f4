"""TFDS's test of the builder of M3FD."""

from tests.datasets import builder_case


class FusionTest(builder_case.BuilderTestCase):
    """The config `fusion`."""

    DATASET_CLASS = builder_case.builder_class("m3fd")
    BUILDER_CONFIG_NAMES_TO_TEST = ("fusion",)
    SPLITS = {"test": 2}  # noqa: RUF012


class DetectionTest(builder_case.BuilderTestCase):
    """The config `detection`."""

    DATASET_CLASS = builder_case.builder_class("m3fd")
    BUILDER_CONFIG_NAMES_TO_TEST = ("detection",)
    SPLITS = {"train": 3}  # noqa: RUF012
