"""Small pictures to fuse."""

import os
import socket
import subprocess
import sys

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


def free_port():
    with socket.socket() as s:
        s.bind(("localhost", 0))
        return s.getsockname()[1]


def start_two(words, *, by_flags=True):
    """The same command as two processes with two devices each, told by flags or environment."""
    where = {
        "JAX_COORDINATOR_ADDRESS": f"localhost:{free_port()}",
        "JAX_NUM_PROCESSES": "2",
        "JAX_NUM_CPU_DEVICES": "2",
    }
    started = []
    for process in range(2):
        own, flags = {**where, "JAX_PROCESS_ID": str(process)}, []
        if by_flags:
            names = "--coordinator={} --processes={} --process={}"
            keys = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
            flags = names.format(*(own.pop(key) for key in keys)).split()
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "ttd_jax", *words, *flags],
                env={**os.environ, **own},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return started


@pytest.fixture
def pair(tmp_path):
    """A colored and a gray picture of one scene."""
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
