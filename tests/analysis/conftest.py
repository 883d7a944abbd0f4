"""Drawn benchmarks and a configuration to study them with."""

import importlib

import cv2
import numpy as np
import pytest

CONFIG = importlib.import_module("ttd_jax_configs.analyze")


@pytest.fixture(scope="session")
def benchmarks(tmp_path_factory):
    """Two Lytro pairs of an even and an odd size, drawn, in the authors' layout."""
    root = tmp_path_factory.mktemp("benchmarks")
    (root / "lytro").mkdir()
    random = np.random.default_rng(5)
    for number, size in ((1, (24, 30)), (2, (25, 31))):
        for letter in "AB":
            noise = random.integers(0, 256, (*size, 3)).astype(np.uint8)
            picture = cv2.GaussianBlur(noise, (0, 0), 1.0 if letter == "A" else 2.0)
            cv2.imwrite(str(root / "lytro" / f"lytro-{number:02}-{letter}.jpg"), picture)
    return root


@pytest.fixture
def configure(random_weights, benchmarks):
    """`configure(argument, **fields)`: a configuration for the drawn benchmarks."""

    def make(argument, **fields):
        config = CONFIG.get_config(argument)
        config.weights_dir = str(random_weights.parent)
        config.root = str(benchmarks)
        config.update(fields)
        return config

    return make


@pytest.fixture(scope="module", autouse=True)
def _quickly(quick_compilation):
    """Programs here run a few times on few pixels."""
