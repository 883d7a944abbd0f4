"""Checkpoints: everything comes back, the newest and the best stay, damage is told."""

import contextlib
import operator

import jax.numpy as jnp
import numpy as np
import pytest

from ttd_jax.errors import UserError
from ttd_jax.training.checkpointing import Checkpoint, Checkpoints


def state(value):
    return {"step": jnp.int32(value), "w": jnp.full((3, 2), value / 3, jnp.float32), "none": ()}


@pytest.fixture
def checkpoints(tmp_path):
    opened = Checkpoints(tmp_path, newest=2, merit=operator.pos)
    yield opened
    opened.close()


def test_a_checkpoint_comes_back_bit_by_bit(checkpoints, tmp_path):
    assert checkpoints.newest is None
    assert checkpoints.best is None
    checkpoints.save(Checkpoint(7, state(7), 28))
    again = Checkpoints(tmp_path)
    found = again.restore(7, state(0))
    again.close()
    assert (found.step, found.position) == (7, 28)
    np.testing.assert_array_equal(found.state["w"], state(7)["w"])
    assert found.state["step"].dtype == jnp.int32


def test_the_newest_and_the_best_are_kept(checkpoints):
    for step, figure in enumerate((None, 0.5, 0.9, 0.1, 0.9, None, None)):
        checkpoints.save(Checkpoint(step, state(step), 0), figure)
    assert (checkpoints.newest, checkpoints.best) == (6, 4)
    checkpoints.restore(4, state(0))
    checkpoints.restore(5, state(0))
    with pytest.raises(UserError, match="--resume"):
        checkpoints.restore(2, state(0))


def test_a_damaged_or_unfitting_checkpoint_is_told_with_its_folder(checkpoints, tmp_path):
    checkpoints.save(Checkpoint(3, state(3), 0))
    folder = tmp_path / "checkpoints" / "3"
    with pytest.raises(UserError, match=str(folder)):
        checkpoints.restore(3, {**state(0), "w": jnp.zeros((2, 2))})
    for path in (folder / "state").rglob("*"):
        if path.is_file() and path.name not in ("_METADATA", "manifest.ocdbt"):
            path.write_bytes(path.read_bytes()[:10])
    with pytest.raises(UserError, match=str(folder)):
        checkpoints.restore(3, state(0))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("metrics/metrics", b"{"),
        ("metrics/metrics", b"null"),
        ("metrics/metrics", b"\xff"),
        ("_CHECKPOINT_METADATA", b"[1]"),
        ("progress/metadata", b"{}"),
        ("progress/metadata", b"[1]"),
    ],
)
def test_damaged_figures_are_told_with_their_folder(checkpoints, tmp_path, file, content):
    checkpoints.save(Checkpoint(3, state(3), 0), 0.5)
    (tmp_path / "checkpoints" / "3" / file).write_bytes(content)
    with pytest.raises(UserError, match=r"checkpoints/3.*: remove .*/3 and run again"):
        Checkpoints(tmp_path).restore(3, state(0))


def test_an_empty_folder_is_no_checkpoint(checkpoints, tmp_path):
    checkpoints.save(Checkpoint(3, state(3), 0))
    (tmp_path / "checkpoints" / "999").mkdir()
    again = Checkpoints(tmp_path)
    assert again.newest == 3
    again.close()


def test_of_processes_with_folders_of_their_own_the_first_saves(monkeypatch, tmp_path):
    saved = Checkpoint(3, state(3), 12)
    for process in (0, 1):
        monkeypatch.setattr("jax.process_index", lambda process=process: process)
        with contextlib.closing(Checkpoints(tmp_path / str(process), shared=False)) as own:
            own.save(saved)
            assert own.newest == (None if process else 3)
