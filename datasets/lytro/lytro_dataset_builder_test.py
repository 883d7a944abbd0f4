"""TFDS's test of the builder of Lytro."""

from tests.datasets import builder_case


class PairsTest(builder_case.BuilderTestCase):
    """The config `pairs`."""

    DATASET_CLASS = builder_case.builder_class("lytro")
    BUILDER_CONFIG_NAMES_TO_TEST = ("pairs",)
    SPLITS = {"test": 2}  # noqa: RUF012


class TriplesTest(builder_case.BuilderTestCase):
    """The config `triples`."""

    DATASET_CLASS = builder_case.builder_class("lytro")
    BUILDER_CONFIG_NAMES_TO_TEST = ("triples",)
    SPLITS = {"test": 1}  # noqa: RUF012
