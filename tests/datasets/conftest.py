"""Drawn pictures in each benchmark's layout, and preparing them."""

import pathlib
import shutil

import pytest
import ttd_jax_datasets

from ttd_jax.pictures.prepared import prepared_examples

BUILDERS = pathlib.Path(ttd_jax_datasets.__file__).parent


@pytest.fixture(scope="session")
def tfds():
    """tensorflow_datasets; skips without it."""
    pytest.importorskip("array_record", reason="array_record is not installed")
    reason = "tensorflow-datasets is not installed"
    return pytest.importorskip("tensorflow_datasets", reason=reason)


@pytest.fixture
def drawn(tmp_path):
    """`drawn(name)`: a copy of a benchmark's drawn pictures that a test may spoil."""

    def copy(name):
        return shutil.copytree(BUILDERS / name / "dummy_data", tmp_path / name)

    return copy


@pytest.fixture
def prepare(tfds, tmp_path):
    """`prepare('NAME/CONFIG', manual_dir)` gives split -> examples, read back from the disk."""
    from ttd_jax_datasets.preparing import prepare

    def run(words, manual_dir):
        cls, config = ttd_jax_datasets.find_config(words)
        data_dir = tmp_path / "prepared"
        builder, _ = prepare(cls, config, manual_dir, data_dir)
        return {
            split: prepared_examples(words, split, data_dir=data_dir)
            for split in builder.info.splits
        }

    return run
