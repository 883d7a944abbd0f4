"""TFDS's own test of a builder, on its `dummy_data/`. It reads with TensorFlow, we do not."""

import warnings

import pytest
from ttd_jax_datasets import builder_class as builder_class

pytest.importorskip("tensorflow_datasets", reason="tensorflow-datasets is not installed")
pytest.importorskip("dill", reason="dill is not installed: TFDS's builder tests need it")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip(
        "tensorflow", reason="tensorflow is not installed: TFDS's builder tests need it"
    )
    from tensorflow_datasets import testing


@pytest.mark.filterwarnings("ignore")  # TensorFlow's own
class BuilderTestCase(testing.DatasetBuilderTestCase):
    """A subclass names its DATASET_CLASS, BUILDER_CONFIG_NAMES_TO_TEST and SPLITS."""

    def test_session(self, *args, **options):
        """TensorFlow's session, no test: as one it would only ever be skipped."""
        return super().test_session(*args, **options)

    test_session.__test__ = False
