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


def start_two(words, *, told="flags", first=("", "")):
    """The same command as two processes with two devices each.

    Args:
      words: of the command.
      told: what tells them of each other: 'flags', 'environment' or 'slurm'.
      first: Python that each runs before the command.
    """
    port, started = free_port(), []
    for process in range(2):
        own, flags = {}, []
        if told == "flags":
            flags = [f"--coordinator=localhost:{port}", "--processes=2", f"--process={process}"]
        elif told == "environment":
            own["JAX_COORDINATOR_ADDRESS"] = f"localhost:{port}"
            own |= {"JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": str(process)}
        else:
            own = {**slurm(process, 2), "JAX_COORDINATOR_PORT": str(port)}
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", f"{first[process]}\n{_COMMAND}", *words, *flags],
                env={**os.environ, **own, "JAX_NUM_CPU_DEVICES": "2"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return started


_COMMAND = "from ttd_jax.main import entry; entry()"


def slurm(process, processes):
    """What `srun` tells a process."""
    count = str(processes)
    return {
        "SLURM_JOB_ID": "4711",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": count,
        "SLURM_STEP_NUM_TASKS": count,
        "SLURM_PROCID": str(process),
        "SLURM_LOCALID": str(process),
    }


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


@pytest.fixture(scope="module", autouse=True)
def _quickly(quick_compilation):
    """Programs here run a few times on few pixels."""
