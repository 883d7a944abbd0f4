"""TFDS's test of the builder of LLVIP."""

from tests.datasets import builder_case


class FusionTest(builder_case.BuilderTestCase):
    """The config `fusion`."""

    DATASET_CLASS = builder_case.builder_class("llvip")
    BUILDER_CONFIG_NAMES_TO_TEST = ("fusion",)
    SPLITS = {"train": 2, "test": 2}  # noqa: RUF012


class DetectionTest(builder_case.BuilderTestCase):
    """The config `detection`."""

    DATASET_CLASS = builder_case.builder_class("llvip")
    BUILDER_CONFIG_NAMES_TO_TEST = ("detection",)
    SPLITS = {"train": 1, "test": 2}  # noqa: RUF012


class TtdSubsetTest(builder_case.BuilderTestCase):
    """The config `ttd_subset`."""

    DATASET_CLASS = builder_case.builder_class("llvip")
    BUILDER_CONFIG_NAMES_TO_TEST = ("ttd_subset",)
    SPLITS = {"test": 1}  # noqa: RUF012
