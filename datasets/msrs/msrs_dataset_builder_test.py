"""TFDS's test of the builder of MSRS."""

from tests.datasets import builder_case


class FusionTest(builder_case.BuilderTestCase):
    """The config `fusion`."""

    DATASET_CLASS = builder_case.builder_class("msrs")
    BUILDER_CONFIG_NAMES_TO_TEST = ("fusion",)
    SPLITS = {"train": 2, "test": 2}  # noqa: RUF012


class DetectionVisibleTest(builder_case.BuilderTestCase):
    """The config `detection_visible`."""

    DATASET_CLASS = builder_case.builder_class("msrs")
    BUILDER_CONFIG_NAMES_TO_TEST = ("detection_visible",)
    SPLITS = {"train": 1, "test": 1}  # noqa: RUF012


class DetectionInfraredTest(builder_case.BuilderTestCase):
    """The config `detection_infrared`."""

    DATASET_CLASS = builder_case.builder_class("msrs")
    BUILDER_CONFIG_NAMES_TO_TEST = ("detection_infrared",)
    SPLITS = {"train": 1, "test": 2}  # noqa: RUF012


class DetectionFusionTest(builder_case.BuilderTestCase):
    """The config `detection_fusion`."""

    DATASET_CLASS = builder_case.builder_class("msrs")
    BUILDER_CONFIG_NAMES_TO_TEST = ("detection_fusion",)
    SPLITS = {"train": 2, "test": 1}  # noqa: RUF012
