"""One run at a time in a folder."""

import fcntl
import os
import signal
import subprocess
import sys
import threading

import pytest

from ttd_jax import folders
from ttd_jax.errors import UserError
from ttd_jax.files import part_in, write_whole
from ttd_jax.folders import MARK, alone, together


def enter(*words):
    with alone(*words):
        pass


def test_a_second_run_is_refused_and_the_folder_says_what_is_in_it(tmp_path):
    out = tmp_path / "a" / "b"
    with alone(out, "fuse"):
        with pytest.raises(UserError, match=r"b: another run is writing there: wait .*--out"):
            enter(out, "fuse")
        (out / "x.png").write_bytes(b"x")
    enter(out, "fuse")
    with pytest.raises(UserError, match="holds results of `ttd-jax fuse`: choose another --out"):
        enter(out, "score")
    enter(out)  # what holds no results is at home anywhere
    assert (out / MARK).read_text() == "fuse\n"


@pytest.mark.parametrize("content", ["\x1b[31mfuse", "\0\0", "{}"])
def test_a_damaged_mark_is_told_by_its_name(tmp_path, content):
    (tmp_path / "x.png").write_bytes(b"x")
    (tmp_path / MARK).write_text(content)
    with pytest.raises(UserError, match=r"\.ttd-jax: damaged: remove it and run again"):
        enter(tmp_path, "fuse")
    assert (tmp_path / MARK).read_text() == content


def test_a_run_that_leaves_nothing_leaves_no_trace(tmp_path):
    out = tmp_path / "a" / "b"
    with alone(out, "fuse"):
        (out / "empty" / "deep").mkdir(parents=True)
    assert not list(tmp_path.iterdir())
    (tmp_path / "own.txt").write_text("x")
    enter(tmp_path, "fuse")
    assert [path.name for path in tmp_path.iterdir()] == ["own.txt"]


def test_what_a_killed_run_leaves_neither_locks_nor_stays(tmp_path):
    code = f"""if True:
        import os, pathlib, signal
        from ttd_jax.files import part_in
        from ttd_jax.folders import alone
        out = pathlib.Path({str(tmp_path / "out")!r})
        with alone(out, "fuse"):
            part_in(out).write_bytes(b"x")
            (out / "deep").mkdir()
            part_in(out / "deep").mkdir()
            os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-P", "-c", code], check=False)
    assert killed.returncode == -signal.SIGKILL
    with alone(tmp_path / "out", "fuse"):
        assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == [MARK, "deep"]


def test_a_run_in_a_folder_below_keeps_what_it_is_writing(tmp_path):
    with alone(tmp_path / "below", "fuse"):
        part = part_in(tmp_path / "below")
        part.write_bytes(b"x")
        (tmp_path / "empty").mkdir()
        enter(tmp_path)
        assert part.exists()
        assert (tmp_path / "empty").exists()  # somebody else's


def test_processes_of_one_run_share_a_folder_that_the_first_one_has(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "greatest", int)  # of one process
    with together(tmp_path / "out", "evaluate", share=(0, 2)):
        with together(tmp_path / "out", "evaluate", share=(1, 2)):
            (tmp_path / "out" / "x").write_bytes(b"")
        with pytest.raises(UserError, match="another run"):
            enter(tmp_path / "out", "evaluate")
    monkeypatch.setattr(folders, "greatest", lambda refused: 1)  # the first one was refused
    shared = together(tmp_path / "out", "evaluate", share=(1, 2))
    with pytest.raises(UserError, match="the first process cannot begin there"):
        shared.__enter__()


def test_waiting_runs_come_one_after_the_other(tmp_path, capfd):
    running, most = [], []

    def run(number):
        with alone(tmp_path / "out", wait=True):
            running.append(number)
            most.append(len(running))
            (tmp_path / "out" / str(number)).write_bytes(b"")
            running.remove(number)
            (tmp_path / "out" / str(number)).unlink()  # the folder is made and removed again

    threads = [threading.Thread(target=run, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (20, 1)
    assert not any(tmp_path.glob("out/*"))


def test_without_locks_runs_still_never_share_a_temporary_file(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError("no locks here")

    monkeypatch.setattr(folders.fcntl, "flock", no_locks)
    with alone(tmp_path, "fuse"):
        part = part_in(tmp_path)
        part.write_bytes(b"of another run")
        with alone(tmp_path, "fuse"):
            assert part.exists()  # its writer may be alive
    assert len({part_in(tmp_path) for _ in range(1000)}) == 1000


def test_writing_at_the_same_time_leaves_one_whole_content(tmp_path):
    contents = [bytes([65 + number]) * 100_000 for number in range(8)]
    threads = [
        threading.Thread(target=lambda c=c: [write_whole(tmp_path / "x", c) for _ in range(20)])
        for c in contents
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "x").read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_folder_that_cannot_be_had_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    for place, said in (("file", "is a file"), ("file/out", "cannot write")):
        with pytest.raises(UserError, match=said):
            enter(tmp_path / place, "fuse")
    descriptor = os.open(tmp_path / MARK, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(UserError, match="another run"):
        enter(tmp_path, "fuse")
    os.close(descriptor)
