"""Small pictures to fuse."""

import cv2
import numpy as np
import pytest


def draw(path, size=(24, 32), *, channels=1, dtype=np.uint8, seed=0):
    """Writes a smooth random picture; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).random((*size, channels), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5).reshape(*size, channels)
    low, high = smooth.min(), max(smooth.max(), smooth.min() + 1e-6)
    pixels = (smooth - low) / (high - low) * np.iinfo(dtype).max
    assert cv2.imwrite(str(path), pixels.astype(dtype))
    return path


@pytest.fixture
def pair(tmp_path):
    """A coloured and a grey picture of one scene."""
    return draw(tmp_path / "vis.png", channels=3), draw(tmp_path / "ir.png", seed=1)


@pytest.fixture(scope="session")
def fuse(random_weights):
    """`fuse(out, *arguments)` gives the words of a fuse command with random weights."""

    def words(out, *arguments):
        return (
            "fuse",
            "--model=ifcnn_sum",
            f"--weights={random_weights}",
            f"--out={out}",
            *arguments,
        )

    return words
