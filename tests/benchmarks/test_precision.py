"""What fewer bits change: nothing where no bit is dropped, and more the more are."""

import numpy as np
import pytest

from ttd_jax.benchmarks import precision
from ttd_jax.networks import lookup
from ttd_jax.networks.random_variables import random_variables


@pytest.fixture(scope="module")
def model():
    row = lookup("ifcnn_sum")
    return row.bind(random_variables(row))


@pytest.fixture(scope="module")
def scenes():
    rng = np.random.default_rng(0)
    return [rng.random((2, *size, 3), np.float32) for size in ((16, 18), (15, 17))]


def test_fewer_bits_differ_more(model, scenes):
    found = precision.measure_precision(model, scenes)
    assert list(found) == ["TF32 products", "bfloat16 products", "bfloat16 throughout"]
    for part in ("image", "dominability"):
        finer, coarser, coarsest = (found[way][part]["mean"] for way in found)
        # Three bits of the mantissa are a factor of eight.
        assert 4 < coarser / finer < 16
        assert coarsest > coarser / 2
        assert 0 < finer < 1e-3
    assert 0 < found["TF32 products"]["image"]["changed"] < 0.3
    text = precision.markdown(found)
    assert all(f"| {way} |" in text for way in found)


def test_all_bits_differ_in_nothing(model, scenes, monkeypatch):
    monkeypatch.setattr(precision, "_OPERANDS", {"whole products": (8, 23)})
    found = precision.measure_precision(model, scenes[:1])["whole products"]
    assert found["image"]["largest"] < 1e-6
