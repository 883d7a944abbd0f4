"""What every builder declares, so that people can find, fetch, cite and fuse its pictures."""

import pathlib

import pytest
from ttd_jax_datasets import NAMES, builder_class

from tests.datasets.conftest import BUILDERS
from ttd_jax.core.tasks import TASKS

SCHEMES = ("https://",)


@pytest.fixture(params=NAMES)
def cls(request, tfds):
    return builder_class(request.param)


def test_every_folder_with_a_builder_is_known():
    folders = {path.parent.name for path in BUILDERS.glob("*/*_dataset_builder.py")}
    assert folders == set(NAMES)
    assert {path.parent.name for path in BUILDERS.glob("*/*_dataset_builder_test.py")} == folders


def test_its_cards_are_complete(cls, tfds):
    from tensorflow_datasets.core.dataset_metadata import valid_tags

    metadata = cls.get_metadata()
    assert metadata.description
    assert metadata.citation.startswith("@")
    assert set(metadata.tags) <= set(valid_tags())
    assert metadata.tags
    assert cls.HOMEPAGE.startswith(SCHEMES)
    assert cls.TERMS


def test_its_instructions_name_the_homepage_every_place_and_every_count(cls):
    text = cls.MANUAL_DOWNLOAD_INSTRUCTIONS
    assert cls.HOMEPAGE in text
    for config in cls.BUILDER_CONFIGS:
        for split, number in config.splits.items():
            for place in config.layout.places(split):
                assert pathlib.PurePath(place).parts[0].partition("*")[0] in text, place
            if not config.labels and not config.names:
                assert str(number) in text


def test_its_configs_fit_their_task(cls):
    assert len({config.name for config in cls.BUILDER_CONFIGS}) == len(cls.BUILDER_CONFIGS)
    for config in cls.BUILDER_CONFIGS:
        assert len(config.roles) >= len(TASKS[config.task])
        assert len(set(config.roles)) == len(config.roles) == len(config.layout.places("test"))
        assert config.description


def test_drawn_pictures_are_small():
    sizes = {path: path.stat().st_size for path in BUILDERS.glob("*/dummy_data/**/*.*")}
    assert sizes
    assert max(sizes.values()) < 2000


def test_the_subset_is_the_papers(shared, tfds):
    (config,) = (c for c in builder_class("llvip").BUILDER_CONFIGS if c.name == "ttd_subset")
    listed = (shared / "data" / "llvip" / "ttd_test_subset.txt").read_text().split()
    assert config.names == {pathlib.PurePath(name).stem for name in listed}
    assert len(config.names) == config.splits["test"] == 69
